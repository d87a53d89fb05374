import { describe, expect, it } from "vitest";
import { type Buffer, planArena } from "../../src/plan/arena.ts";
import { ALIGNMENT, alignUp } from "../../src/plan/layout.ts";
import { planGraph } from "../../src/plan/plan.ts";
import { Random } from "../support/random.ts";
import { randomGraph } from "../support/random-graph.ts";

function randomBuffers(seed: number): Buffer[] {
  const random = new Random(seed);
  return Array.from({ length: random.integer(1, 24) }, () => {
    const first = random.integer(0, 12);
    return { bytes: random.integer(1, 400), first, last: first + random.integer(0, 5) };
  });
}

function overlaps(a: Buffer, b: Buffer): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** The most bytes alive at one step, counted step by step. */
function fullestStep(buffers: readonly Buffer[]): number {
  const steps = Array.from({ length: 1 + Math.max(...buffers.map((b) => b.last)) }, (_, step) =>
    buffers
      .filter((b) => b.first <= step && step <= b.last)
      .reduce((sum, b) => sum + alignUp(b.bytes, ALIGNMENT), 0),
  );
  return Math.max(...steps);
}

describe("planArena", () => {
  it("never lets two buffers that are alive together share bytes, and stays near the bound", () => {
    let atBound = 0;
    for (let seed = 0; seed < 500; seed++) {
      const buffers = randomBuffers(seed);
      const { offsets, bytes, bound } = planArena(buffers);
      buffers.forEach((a, i) => {
        expect(offsets[i]! % ALIGNMENT).toBe(0);
        expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
        for (let j = 0; j < i; j++) {
          const b = buffers[j]!;
          const apart = offsets[i]! >= offsets[j]! + b.bytes || offsets[j]! >= offsets[i]! + a.bytes;
          expect(apart || !overlaps(a, b), `seed ${seed}: buffers ${j} and ${i}`).toBe(true);
        }
      });
      expect(bound).toBe(fullestStep(buffers));
      expect(bytes).toBeGreaterThanOrEqual(bound);
      expect(bytes).toBeLessThanOrEqual(1.25 * bound);
      if (bytes === bound) atBound++;
    }
    expect(atBound).toBeGreaterThan(450);
  });

  it("is the same every time", () => {
    const buffers = randomBuffers(7);
    expect(planArena(buffers)).toEqual(planArena(buffers));
  });

  it("reuses the bytes of what is no longer needed", () => {
    const chain = [
      { bytes: 100, first: 0, last: 0 },
      { bytes: 60, first: 0, last: 1 },
      { bytes: 100, first: 1, last: 2 },
    ];
    expect(planArena(chain).bytes).toBe(160);
  });
});

describe("planGraph", () => {
  it("writes no tensor over another that is still to be read", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { graph } = randomGraph(seed);
      const plan = planGraph(graph);
      for (const [i, a] of plan.buffers.entries()) {
        for (const [j, b] of plan.buffers.slice(0, i).entries()) {
          const apart = a.offset >= b.offset + b.bytes || b.offset >= a.offset + a.bytes;
          // What an output may lie on is in overlap.test.ts.
          const isShared = a.over.includes(j) || b.over.includes(i);
          expect(apart || isShared || a.first > b.last || b.first > a.last, `seed ${seed}`).toBe(true);
        }
        const reads = graph.operators.flatMap((op, step) =>
          op.inputs.some((t) => a.tensors.includes(t)) ? [step] : [],
        );
        expect(a.last).toBeGreaterThanOrEqual(Math.max(0, ...reads));
      }
    }
  });

  it("puts element-wise outputs in place of their inputs", () => {
    let chains = 0;
    for (let seed = 0; seed < 200; seed++) {
      const { graph } = randomGraph(seed, { kinds: ["LOGISTIC", "SOFTMAX", "RELU"] });
      const { arenaBytes, buffers } = planGraph(graph);
      const follows = ({ inputs }: (typeof graph.operators)[number], i: number) =>
        inputs[0] === (graph.operators[i - 1]?.outputs[0] ?? graph.inputs[0]);
      if (!graph.operators.every(follows) || graph.outputs.length > 1) continue;
      chains++;
      expect(arenaBytes).toBe(Math.max(...buffers.map(({ bytes }) => alignUp(bytes, ALIGNMENT))));
    }
    expect(chains).toBeGreaterThan(20);
  });
});
