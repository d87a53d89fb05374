// Random small networks: every implementation gives the bytes of the plain reference after every operator.
import { describe, expect, it } from "vitest";
import type { Graph } from "../src/graph/graph.ts";
import type { Step } from "../src/mcu/implementations.ts";
import { compileGraph, compilePlan } from "../src/plan/compile.ts";
import { OPTIMIZE, type Optimize } from "../src/plan/plan.ts";
import { referenceRun } from "./reference/run.ts";
import { IMPLEMENTATIONS, PLAIN, SOAK, stepsOf } from "./support/implementations.ts";
import {
  OPERATOR_KINDS,
  type RandomGraph,
  randomGraph,
  randomMatrixGraph,
  randomOperatorGraph,
} from "./support/random-graph.ts";

const SINGLE_SEEDS = SOAK === "all" ? 400 : SOAK ? 200 : 100;
const NETWORK_SEEDS = SOAK === "all" ? 20_000 : SOAK ? 1500 : 800;

/** Jobs that an implementation gets at a time: a process start is dear, and so is memory. */
const CHUNK = 100;

function* chunks(cases: (seed: number) => RandomGraph, count: number, optimize: Optimize = "speed") {
  for (let first = 0; first < count; first += CHUNK) {
    const graphs = Array.from({ length: Math.min(CHUNK, count - first) }, (_, i) => cases(first + i));
    yield {
      first,
      graphs,
      jobs: graphs.map(({ graph, inputs }) => {
        return { image: compileGraph(graph, { foldConstants: false, optimize }), inputs };
      }),
    };
  }
}

/**
 * The first operator whose bytes differ from the reference's, in words; null when all are equal. An output that never
 * exists whole has no bytes.
 */
function firstDifference(
  { graph, inputs }: RandomGraph,
  steps: readonly Step[],
  isSliced = false,
): string | null {
  const contents = referenceRun(graph, inputs);
  if (steps.length !== graph.operators.length) return `${steps.length} steps of ${graph.operators.length}`;
  for (const [i, { stored }] of steps.entries()) {
    const { kind, inputs, outputs } = graph.operators[i]!;
    // A DEQUANTIZE leaves its input: the int8 bytes that stand for its floats.
    const expected = contents[kind === "DEQUANTIZE" ? inputs[0]! : outputs[0]!]!;
    const wanted = new Uint8Array(expected.buffer, expected.byteOffset, expected.byteLength);
    if (isSliced && stored.length === 0) continue;
    if (Buffer.compare(stored, wanted) === 0) continue;
    const element = wanted.findIndex((byte, e) => byte !== stored[e]);
    return `operator ${i} ${kind} ${shapesOf(graph, i)}, byte ${element}: ${stored[element]}, expected ${wanted[element]}`;
  }
  return null;
}

/** Mostly windows on larger maps: what runs in slices. */
function tallGraph(seed: number): RandomGraph {
  const kinds = ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "ADD", "RELU"] as const;
  return randomGraph(seed, { kinds, operators: 6, elements: 5000 });
}

function shapesOf(graph: Graph, index: number): string {
  const { inputs, outputs, options } = graph.operators[index]!;
  const shapes = [...inputs, ...outputs].map((t) => (t < 0 ? "-" : `[${graph.tensors[t]!.shape}]`));
  return `${shapes.join(" ")} ${JSON.stringify(options)}`;
}

describe("the whole arena after every operator", () => {
  const others = IMPLEMENTATIONS.filter(({ name }) => name !== PLAIN.name);

  const planned = others.flatMap((other) => OPTIMIZE.map((optimize) => ({ ...other, optimize })));

  it.each(planned)(`$name has the bytes of ${PLAIN.name}, $optimize`, async ({ runs, share, optimize }) => {
    const count = (NETWORK_SEEDS * share) / (optimize === "speed" ? 1 : 2);
    for (const { first: seed, jobs } of chunks(randomGraph, count, optimize)) {
      const [a, b] = [await stepsOf(PLAIN, jobs), await stepsOf({ runs }, jobs)];
      jobs.forEach((_, i) => {
        const differing = a[i]!.findIndex(
          ({ arena }, step) => Buffer.compare(arena, b[i]![step]!.arena) !== 0,
        );
        expect(differing, `seed ${seed + i}: first operator that differs`).toBe(-1);
      });
    }
  });
});

describe.each(IMPLEMENTATIONS)("$name equals the reference", ({ runs, share }) => {
  const check = async (cases: (seed: number) => RandomGraph, count: number, optimize?: Optimize) => {
    for (const { first, graphs, jobs } of chunks(cases, count * share, optimize)) {
      const made = await stepsOf({ runs }, jobs);
      graphs.forEach((graph, i) => {
        const difference = firstDifference(graph, made[i]!, optimize === "ram");
        expect(difference, `seed ${first + i}`).toBeNull();
      });
    }
  };

  it.each(OPERATOR_KINDS)("%s alone", (kind) =>
    check((seed) => randomOperatorGraph(kind, seed), SINGLE_SEEDS),
  );

  it("matrix products at the limits of their sums", () => check(randomMatrixGraph, SINGLE_SEEDS));

  it("networks of several operators", () => check(randomGraph, NETWORK_SEEDS));

  it("tall networks in the smallest arena that is found", () => check(tallGraph, NETWORK_SEEDS / 2, "ram"));
});

it("random matrix products are of every kind that the chip tells apart", () => {
  const pixels = new Set<number>();
  const kinds = { sparse: 0, inParts: 0, whole: 0, onePixel: 0 };
  for (let seed = 0; seed < SINGLE_SEEDS; seed++) {
    const { graph } = randomMatrixGraph(seed);
    const [call] = compilePlan(graph, { foldConstants: false }).operators[0]!.calls;
    if (call?.kernel === "fully_connected_s8") kinds.onePixel++;
    if (call?.kernel !== "pointwise_s8") continue;
    pixels.add(call.values.pixels);
    if (call.values.sparse) kinds.sparse++;
    else if (call.values.unpack < call.values.inputChannels) kinds.inParts++;
    else kinds.whole++;
  }
  expect([...pixels].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 2));
  expect(Math.min(...Object.values(kinds)), JSON.stringify(kinds)).toBeGreaterThan(2);
});
