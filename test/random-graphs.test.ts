// Random small networks: every implementation gives the bytes of the plain reference after every operator.
import { describe, expect, it } from "vitest";
import type { Graph } from "../src/graph/graph.ts";
import { compileGraph } from "../src/plan/compile.ts";
import { referenceRun } from "./reference/run.ts";
import { IMPLEMENTATIONS } from "./support/implementations.ts";
import {
  OPERATOR_KINDS,
  type RandomGraph,
  randomGraph,
  randomOperatorGraph,
} from "./support/random-graph.ts";

const SOAK = process.env.THUMBNET_SOAK === "1";
const SINGLE_SEEDS = SOAK ? 600 : 100;
const NETWORK_SEEDS = SOAK ? 6000 : 800;

/** The first operator whose bytes differ, in words; null when all are equal. */
async function firstDifference(
  { graph, inputs }: RandomGraph,
  steps: (typeof IMPLEMENTATIONS)[number]["steps"],
) {
  const contents = referenceRun(graph, inputs);
  const made = await steps(compileGraph(graph), inputs);
  for (const [i, { bytes }] of made.entries()) {
    const { kind, outputs } = graph.operators[i]!;
    const expected = contents[outputs[0]!]!;
    const wanted = new Uint8Array(expected.buffer, expected.byteOffset, expected.byteLength);
    if (Buffer.compare(bytes, wanted) === 0) continue;
    const element = wanted.findIndex((byte, e) => byte !== bytes[e]);
    return `operator ${i} ${kind} ${shapesOf(graph, i)}, byte ${element}: ${bytes[element]}, expected ${wanted[element]}`;
  }
  return made.length === graph.operators.length
    ? null
    : `${made.length} steps for ${graph.operators.length} operators`;
}

function shapesOf(graph: Graph, index: number): string {
  const { inputs, outputs, options } = graph.operators[index]!;
  const shapes = [...inputs, ...outputs].map((t) => (t < 0 ? "-" : `[${graph.tensors[t]!.shape}]`));
  return `${shapes.join(" ")} ${JSON.stringify(options)}`;
}

describe.each(IMPLEMENTATIONS)("$name equals the reference", ({ steps }) => {
  it.each(OPERATOR_KINDS)("%s alone", async (kind) => {
    for (let seed = 0; seed < SINGLE_SEEDS; seed++) {
      expect(await firstDifference(randomOperatorGraph(kind, seed), steps), `seed ${seed}`).toBeNull();
    }
  });

  it("networks of several operators", async () => {
    for (let seed = 0; seed < NETWORK_SEEDS; seed++) {
      expect(await firstDifference(randomGraph(seed), steps), `seed ${seed}`).toBeNull();
    }
  });
});
