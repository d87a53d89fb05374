// Chains of operators in slices of rows: the same outputs as whole, on every implementation.
import { describe, expect, it } from "vitest";
import { loadModel } from "../../src/index.ts";
import { encodeImage } from "../../src/plan/encode.ts";
import { readImage } from "../../src/plan/image.ts";
import { RECORD_BYTES } from "../../src/plan/layout.ts";
import { lowerGraph, type Plan, planGraph, planSchedule } from "../../src/plan/plan.ts";
import { makeSchedule, type SlicedChain } from "../../src/plan/schedule.ts";
import { slicingBytes } from "../../src/plan/search.ts";
import { chainStages, readersOf, sliceChain } from "../../src/plan/slices.ts";
import { referenceRun } from "../reference/run.ts";
import { GraphBuilder, type RandomGraph } from "../support/graph-builder.ts";
import { IMPLEMENTATIONS, PLAIN, SOAK, stepsOf } from "../support/implementations.ts";
import { Random } from "../support/random.ts";
import { addInput, RANDOM_OPERATORS } from "../support/random-operators.ts";

const SEEDS = SOAK === "all" ? 4000 : SOAK ? 1000 : 500;

/** Operators one after the other on a map that may be tall, with an ADD or MUL now and then. */
function randomChain(seed: number): RandomGraph {
  const builder = new GraphBuilder(seed, 2000);
  const { random } = builder;
  addInput(builder, [1, random.integer(1, 24), random.integer(1, 5), builder.channels(6)], true);
  for (let left = random.integer(2, 6); left > 0; left--) {
    const kind = random.weighted([
      [4, "CONV_2D"],
      [4, "DEPTHWISE_CONV_2D"],
      [1, "AVERAGE_POOL_2D"],
      [1, "MAX_POOL_2D"],
      [1, "RELU"],
      [1, "LOGISTIC"],
      [2, "ADD"],
      [1, "MUL"],
    ] as const);
    RANDOM_OPERATORS[kind].add(builder, builder.operators.at(-1)?.outputs[0] ?? builder.live[0]!);
  }
  return builder.finish(`random chain ${seed}`, [builder.operators.at(-1)!.outputs[0]!]);
}

interface Sliced extends RandomGraph {
  readonly seed: number;
  readonly plan: Plan;
  readonly chain: SlicedChain;
}

/** A random network with a random chain of its in slices of a random number of rows; null where it has none. */
function slicedGraph(seed: number): Sliced | null {
  const random = new Random(seed);
  const made = randomChain(seed);
  const { graph } = made;
  const calls = lowerGraph(graph);
  const readers = readersOf(graph);
  const chains: SlicedChain[] = [];
  for (let first = 0; first < graph.operators.length; first++) {
    for (let last = first + 1; last < graph.operators.length; last++) {
      const stages = chainStages(graph, calls, readers, first, last);
      const height = stages?.at(-1)?.outputHeight ?? 1;
      const chain = stages && height > 1 ? sliceChain(stages, random.integer(1, height - 1)) : null;
      if (chain) chains.push(chain);
    }
  }
  if (chains.length === 0) return null;
  const chain = random.pick(chains);
  return { ...made, seed, chain, plan: planSchedule(graph, makeSchedule(graph, calls, [chain])) };
}

const CASES = Array.from({ length: SEEDS }, (_, seed) => slicedGraph(seed)).filter((made) => made !== null);

/** Operators whose output never exists whole. */
const inside = ({ chain }: Sliced, operator: number) => chain.first <= operator && operator < chain.last;

describe("random chains", () => {
  it("are of many forms", () => {
    expect(CASES.length).toBeGreaterThan(SEEDS / 3);
    const kernels = new Set(CASES.flatMap(({ chain }) => chain.steps.map(({ call }) => call.kernel)));
    expect([...kernels].sort()).toEqual([
      "add_s8",
      "avg_pool_s8",
      "conv_s8",
      "copy_s8",
      "depthwise_s8",
      "lookup_s8",
      "max_pool_s8",
      "mul_s8",
      "pointwise_s8",
    ]);
    expect(CASES.some(({ chain }) => chain.last - chain.first > 2)).toBe(true);
    // Rows written over their own input, and a second operand beside the chain.
    expect(CASES.some(({ chain }) => chain.lines.some(({ tensors }) => tensors.length > 1))).toBe(true);
    // The chain's output over its input.
    const overlays = CASES.filter(({ plan, chain, graph }) => {
      const output = plan.buffers.find(({ tensors }) =>
        tensors.includes(graph.operators[chain.last]!.outputs[0]!),
      );
      return output!.over.length > 0;
    });
    expect(overlays.length).toBeGreaterThan(10);
  });

  it("hold only some rows at a time", () => {
    const total = { held: 0, whole: 0 };
    for (const { chain, graph, seed } of CASES) {
      const held = chain.lines.reduce((sum, { bytes }) => sum + bytes, 0);
      const whole = chain.lines
        .flatMap(({ tensors }) => tensors)
        .map((t) => graph.tensors[t]!.shape.reduce((a, b) => a * b));
      expect(chain.slices, `seed ${seed}`).toBeGreaterThan(1);
      // A line may hold rows of padding beside its own.
      expect(held, `seed ${seed}`).toBeLessThan(2 * whole.reduce((a, b) => a + b));
      total.held += held;
      total.whole += whole.reduce((a, b) => a + b);
    }
    expect(total.held / total.whole).toBeLessThan(0.7);
  });
});

describe.each(IMPLEMENTATIONS)("$name", ({ runs, share, name }) => {
  it("gives the bytes of the whole operators, and the arena of the plain one", async () => {
    const cases = CASES.slice(0, Math.ceil(CASES.length * share));
    const jobs = cases.map(({ plan, inputs }) => ({ image: encodeImage(plan), inputs }));
    const made = await stepsOf({ runs }, jobs);
    const plain = name === PLAIN.name ? made : await stepsOf(PLAIN, jobs);
    for (const [i, sliced] of cases.entries()) {
      const contents = referenceRun(sliced.graph, sliced.inputs);
      for (const [operator, { kind, inputs, outputs }] of sliced.graph.operators.entries()) {
        const message = `seed ${sliced.seed}, operator ${operator} ${kind}, chain ${sliced.chain.first} to ${sliced.chain.last}`;
        const { stored, arena } = made[i]![operator]!;
        expect(Buffer.compare(arena, plain[i]![operator]!.arena), message).toBe(0);
        const { buffer, byteOffset, byteLength } =
          contents[kind === "DEQUANTIZE" ? inputs[0]! : outputs[0]!]!;
        const wanted = inside(sliced, operator)
          ? new Uint8Array(0)
          : new Uint8Array(buffer, byteOffset, byteLength);
        expect(Buffer.compare(stored, wanted), message).toBe(0);
      }
    }
  });
});

describe("an image in slices", () => {
  it("says which outputs never exist whole, and so does a trace", async () => {
    for (const sliced of CASES.slice(0, 20)) {
      const bytes = encodeImage(sliced.plan);
      const image = readImage(bytes);
      const model = await loadModel(bytes);
      const trace = model.trace(sliced.inputs as never);
      image.operators.forEach(({ output }, operator) => {
        const isWhole = !inside(sliced, operator);
        expect(output.space === "nowhere").toBe(!isWhole);
        expect(trace[operator]).toMatchObject({ isWhole });
        expect(trace[operator]!.bytes.length > 0).toBe(isWhole);
      });
      const { recordCount } = readImage(encodeImage(planGraph(sliced.graph)));
      expect((image.recordCount - recordCount) * RECORD_BYTES).toBe(slicingBytes([sliced.chain]));
      model.dispose();
    }
  });
});
