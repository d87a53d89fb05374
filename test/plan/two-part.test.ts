// The two-part form that the planner chooses equals the reference kernels' arithmetic for every sum that can be reached.
import { expect, it } from "vitest";
import {
  decodeRequantization,
  encodeRequantization,
  type TwoPartChannel,
} from "../../src/plan/requantization.ts";
import { type ExactChannel, exactOutput, type Shifts, solveTwoPart } from "../../src/plan/two-part.ts";
import { requantizeExact } from "../reference/arithmetic.ts";
import { SOAK } from "../support/implementations.ts";
import { Random } from "../support/random.ts";

/** What the chip computes. */
function twoPartOutput(
  { high, low, offset }: TwoPartChannel,
  { productShift, outputShift }: Shifts,
  [activationMin, activationMax]: readonly [number, number],
  sum: number,
): number {
  const value = (Math.imul(sum, high) + (Math.imul(sum, low) >> productShift) + offset) | 0;
  return Math.min(Math.max(activationMin + (value >> outputShift), activationMin), activationMax);
}

/** A channel whose outputs lie somewhere among its sums, which may reach far beyond them, or not as far. */
function randomChannel(random: Random, isRelu: boolean, largest = 9): ExactChannel {
  const shift = -random.integer(3, largest);
  const perOutput = 2 ** -shift;
  const sumMin = -random.integer(0, 300) * perOutput;
  const low = isRelu ? -128 : random.integer(-128, 20);
  return {
    multiplier: random.integer(2 ** 30, 2 ** 31 - 1),
    shift,
    bias: random.integer(-100 * perOutput, 100 * perOutput),
    zeroPoint: isRelu ? low : random.integer(low, 127),
    low,
    high: random.integer(0, 2) > 0 ? 127 : random.integer(Math.max(low, 21), 127),
    sumMin,
    sumMax: sumMin + random.integer(0, 600) * perOutput,
  };
}

/** The first sum for which chip and reference differ, in words. */
function firstDifference(channels: readonly ExactChannel[]): string | null {
  const found = solveTwoPart(channels);
  if (!found) return "not solved";
  const read = decodeRequantization(encodeRequantization(found));
  expect(read).toEqual(found);
  for (const [c, channel] of channels.entries()) {
    const { bias, multiplier, shift, zeroPoint, low, high, sumMin, sumMax } = channel;
    for (let sum = sumMin; sum <= sumMax; sum++) {
      const scaled = requantizeExact(sum + bias, multiplier, shift) + zeroPoint;
      const expected = Math.min(Math.max(scaled, low), high);
      const made = twoPartOutput(found.channels[c]!, found, [low, high], sum);
      if (made !== expected || exactOutput(channel, sum) !== expected)
        return `channel ${c}, sum ${sum}: ${made}, expected ${expected}, ${JSON.stringify(channel)}`;
    }
  }
  return null;
}

it("is exact for every sum of random channels, and most behind a ReLU have it", () => {
  const random = new Random(1);
  const solved = { relu: 0, signed: 0 };
  const count = SOAK ? 2000 : 40;
  for (let i = 0; i < 2 * count; i++) {
    const isRelu = i % 2 === 0;
    const difference = firstDifference([randomChannel(random, isRelu)]);
    if (difference !== "not solved") {
      expect(difference, `case ${i}`).toBeNull();
      solved[isRelu ? "relu" : "signed"]++;
    }
  }
  expect(solved.relu).toBeGreaterThan(0.95 * count);
  // Few: they round away from zero on both sides of it.
  expect(solved.signed).toBeGreaterThan(0);
  expect(solved.signed).toBeLessThan(count);
});

it("has one pair of shifts for all channels of an operator", () => {
  const random = new Random(2);
  for (let i = 0; i < (SOAK ? 50 : 5); i++) {
    const channels = Array.from({ length: 8 }, () => randomChannel(random, true, 6));
    expect(firstDifference(channels), `case ${i}`).toBeNull();
  }
});

it("serves channels that hold one value, however far their sums reach", () => {
  const channel = { bias: 0, zeroPoint: -128, low: -128, high: 127, sumMin: -5000, sumMax: 5000 };
  for (const [multiplier, shift] of [
    [0, 0],
    [2 ** 30, -31],
  ] as const) {
    expect(firstDifference([{ ...channel, multiplier, shift }])).toBeNull();
  }
});

it("leaves the exact form where a sum or its left shift could wrap", () => {
  const channel = { multiplier: 2 ** 30, zeroPoint: -128, low: -128, high: 127, sumMin: 0, sumMax: 100 };
  expect(solveTwoPart([{ ...channel, shift: -8, bias: 2 ** 31 - 50 }])).toBeNull();
  expect(solveTwoPart([{ ...channel, shift: 4, bias: 2 ** 27 }])).toBeNull();
});
