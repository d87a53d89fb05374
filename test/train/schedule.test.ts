import { expect, test } from "vitest";
import { learningRate } from "../../src/train/schedule.ts";

test("a cosine rises over the warm-up and falls to 0", () => {
  const schedule = { kind: "cosine", rate: 0.1, warmup: 2 } as const;
  const rates = [0, 1, 2, 6, 10].map((epoch) => learningRate(schedule, epoch, 10));
  expect(rates[0]).toBeGreaterThan(0);
  expect(rates[0]).toBeLessThan(0.001);
  expect(rates[1]).toBeCloseTo(0.05, 3);
  expect(rates[2]).toBeCloseTo(0.1, 12);
  expect(rates[3]).toBeCloseTo(0.05, 12);
  expect(rates[4]).toBeCloseTo(0, 12);
});

test("steps hold from their epoch on", () => {
  const schedule = {
    kind: "step",
    steps: [
      [0, 3],
      [5, 2],
      [7, 1],
    ],
  } as const;
  const rates = [0, 4.99, 5, 6.5, 7, 100].map((epoch) => learningRate(schedule, epoch, 10));
  expect(rates).toEqual([3, 3, 2, 2, 1, 1]);
});
