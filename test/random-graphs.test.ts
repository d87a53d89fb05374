// Random small networks: every implementation gives the bytes of the plain reference after every operator.
import { describe, expect, it } from "vitest";
import type { Graph } from "../src/graph/graph.ts";
import type { Step } from "../src/mcu/implementations.ts";
import { compileGraph } from "../src/plan/compile.ts";
import { referenceRun } from "./reference/run.ts";
import { IMPLEMENTATIONS, PLAIN, SOAK } from "./support/implementations.ts";
import {
  OPERATOR_KINDS,
  type RandomGraph,
  randomGraph,
  randomOperatorGraph,
} from "./support/random-graph.ts";

const SINGLE_SEEDS = SOAK ? 400 : 100;
const NETWORK_SEEDS = SOAK === "all" ? 20_000 : SOAK ? 4000 : 800;

/** Jobs that an implementation gets at a time: a process start is dear, and so is memory. */
const CHUNK = 100;

function* chunks(cases: (seed: number) => RandomGraph, count: number) {
  for (let first = 0; first < count; first += CHUNK) {
    const graphs = Array.from({ length: Math.min(CHUNK, count - first) }, (_, i) => cases(first + i));
    yield {
      first,
      graphs,
      jobs: graphs.map(({ graph, inputs }) => ({ image: compileGraph(graph, { optimize: false }), inputs })),
    };
  }
}

/** The first operator whose bytes differ from the reference's, in words; null when all are equal. */
function firstDifference({ graph, inputs }: RandomGraph, steps: readonly Step[]): string | null {
  const contents = referenceRun(graph, inputs);
  if (steps.length !== graph.operators.length) return `${steps.length} steps of ${graph.operators.length}`;
  for (const [i, { stored }] of steps.entries()) {
    const { kind, inputs, outputs } = graph.operators[i]!;
    // A DEQUANTIZE leaves its input: the int8 bytes that stand for its floats.
    const expected = contents[kind === "DEQUANTIZE" ? inputs[0]! : outputs[0]!]!;
    const wanted = new Uint8Array(expected.buffer, expected.byteOffset, expected.byteLength);
    if (Buffer.compare(stored, wanted) === 0) continue;
    const element = wanted.findIndex((byte, e) => byte !== stored[e]);
    return `operator ${i} ${kind} ${shapesOf(graph, i)}, byte ${element}: ${stored[element]}, expected ${wanted[element]}`;
  }
  return null;
}

function shapesOf(graph: Graph, index: number): string {
  const { inputs, outputs, options } = graph.operators[index]!;
  const shapes = [...inputs, ...outputs].map((t) => (t < 0 ? "-" : `[${graph.tensors[t]!.shape}]`));
  return `${shapes.join(" ")} ${JSON.stringify(options)}`;
}

describe("the whole arena after every operator", () => {
  const others = IMPLEMENTATIONS.filter(({ name }) => name !== PLAIN.name);

  it.each(others)(`$name has the bytes of ${PLAIN.name}`, async ({ steps, share }) => {
    for (const { first: seed, jobs } of chunks(randomGraph, NETWORK_SEEDS * share)) {
      const [a, b] = [await PLAIN.steps(jobs), await steps(jobs)];
      jobs.forEach((_, i) => {
        const differing = a[i]!.findIndex(
          ({ arena }, step) => Buffer.compare(arena, b[i]![step]!.arena) !== 0,
        );
        expect(differing, `seed ${seed + i}: first operator that differs`).toBe(-1);
      });
    }
  });
});

describe.each(IMPLEMENTATIONS)("$name equals the reference", ({ steps, share }) => {
  const check = async (cases: (seed: number) => RandomGraph, count: number) => {
    for (const { first, graphs, jobs } of chunks(cases, count * share)) {
      const made = await steps(jobs);
      graphs.forEach((graph, i) => {
        expect(firstDifference(graph, made[i]!), `seed ${first + i}`).toBeNull();
      });
    }
  };

  it.each(OPERATOR_KINDS)("%s alone", (kind) =>
    check((seed) => randomOperatorGraph(kind, seed), SINGLE_SEEDS),
  );

  it("networks of several operators", () => check(randomGraph, NETWORK_SEEDS));
});
