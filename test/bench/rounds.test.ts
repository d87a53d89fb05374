import { expect, test } from "vitest";
import { heapBytesPerRun } from "../../src/bench/allocation.ts";
import { repeated } from "../../src/bench/ceilings.ts";
import { measureRounds, pairedRatio, timing } from "../../src/bench/rounds.ts";

test("runs take turns; what one returns is awaited", async () => {
  const calls: string[] = [];
  let rounds = 0;
  let pending = 0;
  const timings = await measureRounds(
    [
      () => calls.push("a"),
      async () => {
        expect(pending).toBe(0);
        pending++;
        await Promise.resolve();
        pending--;
        calls.push("b");
      },
    ],
    { time: 3, warmUp: 1, rounds: 3, onRound: () => rounds++ },
  );
  expect(rounds).toBe(3);
  const turns = calls.filter((name, i) => name !== calls[i - 1]).join("");
  // The warm-up, then three rounds. A trial call, which finds out what awaits, may come before each.
  expect(turns).toMatch(/^(ab){4,}$/);
  expect(timings.map((one) => one.rounds.length)).toEqual([3, 3]);
  for (const { microseconds } of timings) expect(microseconds).toBeGreaterThanOrEqual(0);
});

test("sums rounds up by medians", () => {
  const { microseconds, deviation } = timing([10, 11, 10, 30, 9]);
  expect(microseconds).toBe(10);
  expect(deviation).toBeCloseTo(1.4826, 9);
});

test("a ratio pairs the rounds: what both suffer from cancels", () => {
  expect(pairedRatio(timing([3, 6, 30]), timing([2, 4, 20]))).toBe(1.5);
});

test("work is repeated to fill a tenth of a millisecond, whatever disturbs some trials", () => {
  let clock = 0;
  let trials = 0;
  const of = (milliseconds: number) =>
    repeated(
      (times) => {
        clock += milliseconds * times + (trials++ % 2 === 0 ? 3 : 0);
      },
      () => clock,
    ).times;
  expect(of(0.001)).toBe(100);
  expect(of(0.004)).toBe(25);
  expect(of(2)).toBe(1);
});

test("counts what a call leaves on the heap", () => {
  const kept: unknown[] = [];
  const numbers = heapBytesPerRun(() => {
    kept[0] = new Array(1000).fill(1.5);
  });
  expect(numbers).toBeGreaterThan(8000);
  expect(numbers).toBeLessThan(20000);
  let count = 0;
  expect(heapBytesPerRun(() => count++)).toBeLessThan(100);
});
