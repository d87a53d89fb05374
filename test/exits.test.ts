// Early exits on random networks: every implementation stops at the same exit with the same bytes.
import { describe, expect, it } from "vitest";
import { finalOutput } from "../src/graph/exits.ts";
import type { Graph } from "../src/graph/graph.ts";
import { type Engine, loadModel } from "../src/index.ts";
import type { Run } from "../src/mcu/implementations.ts";
import { compileGraph } from "../src/plan/compile.ts";
import { OPTIMIZE, type Optimize } from "../src/plan/plan.ts";
import { type Content, referenceRun } from "./reference/run.ts";
import type { RandomGraph } from "./support/graph-builder.ts";
import { IMPLEMENTATIONS, PLAIN, SOAK } from "./support/implementations.ts";
import { answersInReals, randomExitGraph } from "./support/random-exits.ts";

const SEEDS = SOAK === "all" ? 20_000 : SOAK ? 1200 : 300;
const CHUNK = 100;

interface Expected {
  readonly contents: readonly (Content | null)[];
  /** The output that answers, by position, and after how many operators. */
  readonly answered: number;
  readonly exit: number;
  readonly operators: number;
}

function expectedOf({ graph, inputs }: RandomGraph): Expected {
  const contents = referenceRun(graph, inputs);
  const exits = graph.exits!;
  const exit = exits.findIndex((e) => answersInReals(contents[e.tensor] as Int8Array, e));
  const final = graph.outputs.indexOf(finalOutput(graph));
  const answered = exit < 0 ? final : graph.outputs.indexOf(exits[exit]!.tensor);
  const writer = graph.operators.findIndex(({ outputs }) => outputs[0] === exits[exit]?.tensor);
  const operators = exit < 0 ? graph.operators.length : writer + 1;
  return { contents, answered, exit: exit < 0 ? exits.length : exit, operators };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Content) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The bytes that stand for a tensor: of a DEQUANTIZE's its input's. */
function storedContent({ operators }: Graph, contents: Expected["contents"], tensor: number): Uint8Array {
  const writer = operators.find(({ outputs }) => outputs[0] === tensor);
  return bytesOf(contents[writer?.kind === "DEQUANTIZE" ? writer.inputs[0]! : tensor]!);
}

/** What is wrong with a run; null when nothing is. */
function problemOf({ graph }: RandomGraph, expected: Expected, { steps, answered }: Run): string | null {
  if (answered !== expected.answered) return `output ${answered} answers, expected ${expected.answered}`;
  if (steps.length !== expected.operators) return `${steps.length} operators ran of ${expected.operators}`;
  for (const [i, { stored }] of steps.entries()) {
    const wanted = storedContent(graph, expected.contents, graph.operators[i]!.outputs[0]!);
    if (stored.length > 0 && Buffer.compare(stored, wanted) !== 0) return `operator ${i} differs`;
  }
  return null;
}

const jobOf = ({ graph, inputs }: RandomGraph, optimize: Optimize) => {
  return { image: compileGraph(graph, { foldConstants: false, optimize }), inputs };
};

describe.each(IMPLEMENTATIONS)("$name", ({ runs, share, name }) => {
  it.each(OPTIMIZE)(
    "stops at the exit that it must, with the arena of the plain one, %s",
    async (optimize) => {
      const count = SEEDS * share * (optimize === "speed" ? 1 : 0.5);
      for (let first = 0; first < count; first += CHUNK) {
        const cases = Array.from({ length: Math.min(CHUNK, count - first) }, (_, i) =>
          randomExitGraph(first + i),
        );
        const jobs = cases.map((made) => jobOf(made, optimize));
        const found = await runs(jobs);
        const plain = name === PLAIN.name ? found : await PLAIN.runs(jobs);
        cases.forEach((made, i) => {
          const message = `seed ${first + i}`;
          expect(problemOf(made, expectedOf(made), found[i]!), message).toBeNull();
          const differing = plain[i]!.steps.findIndex(
            ({ arena }, s) => Buffer.compare(arena, found[i]!.steps[s]!.arena) !== 0,
          );
          expect(differing, `${message}: first operator with another arena`).toBe(-1);
        });
      }
    },
  );
});

describe("the random networks", () => {
  it("end at every exit and at the final output, by both criteria, at and just below thresholds", () => {
    const seen = new Map<string, number>();
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    for (let seed = 0; seed < 600; seed++) {
      const made = randomExitGraph(seed);
      const { exit, contents } = expectedOf(made);
      const exits = made.graph.exits!;
      count(exit === exits.length ? "final" : `exit ${exit}`);
      for (const { tensor, criterion, thresholds } of exits.slice(0, exit + 1)) {
        const row = [...(contents[tensor] as Int8Array)].sort((a, b) => b - a);
        const measure = criterion === "top" ? row[0]! + 128 : row[0]! - row[1]!;
        if (row[0] === row[1]) count(`tie ${criterion}`);
        if (thresholds.includes(measure / 256)) count(`at ${criterion}`);
        if (thresholds.includes((measure + 1) / 256)) count(`below ${criterion}`);
        if (thresholds.length > 1) count("per class");
      }
    }
    const wanted = ["final", "exit 0", "exit 1", "exit 2", "per class"];
    for (const criterion of ["top", "margin"]) {
      wanted.push(`at ${criterion}`, `below ${criterion}`, `tie ${criterion}`);
    }
    for (const what of wanted) expect(seen.get(what) ?? 0, what).toBeGreaterThanOrEqual(20);
  });
});

describe.each<Engine>(["scalar", "simd"])("run and runAll, %s", (engine) => {
  it("give the scores that the reference gives, and say where they come from", async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const made = randomExitGraph(seed);
      const { graph, inputs } = made;
      const { contents, answered, exit } = expectedOf(made);
      const model = await loadModel(compileGraph(graph), { engine });
      const scores = storedContent(graph, contents, graph.outputs[answered]!);
      const { output, exits, confidences } = model.run(inputs, {});
      expect(bytesOf(output), `seed ${seed}`).toEqual(scores);
      expect(bytesOf(model.run(inputs)), `seed ${seed}`).toEqual(scores);
      expect(exits).toEqual([exit]);
      const { scale, zeroPoint } = model.outputs[answered]!;
      const values = [...output];
      expect(confidences).toEqual([scale * (Math.max(...values) - zeroPoint)]);
      const all = model.runAll(inputs);
      graph.outputs.forEach((tensor, o) => {
        expect(bytesOf(all[o]!), `seed ${seed}, output ${o}`).toEqual(storedContent(graph, contents, tensor));
      });
      model.dispose();
    }
  });
});
