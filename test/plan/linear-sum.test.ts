// The planner's constants of ADD and SUB equal the reference kernels' three roundings for every pair of inputs.
import { expect, it } from "vitest";
import type { KernelCallOf } from "../../src/plan/kernel-call.ts";
import { NO_LINEAR_SUM, solveLinearSum } from "../../src/plan/linear-sum.ts";
import { add, sub } from "../reference/elementwise.ts";
import { sumFactors } from "../reference/parameters.ts";
import { SOAK } from "../support/implementations.ts";
import { Random } from "../support/random.ts";

const EVERY = Int8Array.from({ length: 256 }, (_, i) => i - 128);

interface Sum {
  readonly kind: "ADD" | "SUB";
  readonly scales: readonly [number, number, number];
  readonly zeroPoints: readonly [number, number, number];
  readonly range: readonly [number, number];
}

function randomSum(random: Random): Sum {
  const scale = () => Math.fround(2 ** (random.unit() * 4 - 6));
  const least = random.chance(0.5) ? -128 : random.integer(-128, 0);
  return {
    kind: random.chance(0.5) ? "ADD" : "SUB",
    scales: [scale(), scale(), scale()],
    zeroPoints: [
      random.integer(-128, 127),
      random.integer(-128, 127),
      random.chance(0.5) ? -128 : random.integer(-60, 60),
    ],
    range: [least, random.chance(0.7) ? 127 : random.integer(1, 127)],
  };
}

/** Whether it has constants; those are right for all pairs. */
function isSolved({ kind, scales, zeroPoints, range }: Sum): boolean {
  const factors = sumFactors(kind, ...scales);
  const found = solveLinearSum({
    ...{ subtract: Number(kind === "SUB"), activationMin: range[0], activationMax: range[1] },
    ...{ inputZeroPoint: zeroPoints[0], input2ZeroPoint: zeroPoints[1], outputZeroPoint: zeroPoints[2] },
    ...{ multiplier1: factors.input1Multiplier, shift1: factors.input1Shift },
    ...{ multiplier2: factors.input2Multiplier, shift2: factors.input2Shift },
    ...{ outputMultiplier: factors.outputMultiplier, outputShift: factors.outputShift },
  } as KernelCallOf<"add_s8">["values"]);
  if (found.sumShift === 0) {
    expect(found).toEqual(NO_LINEAR_SUM);
    return false;
  }
  const expected = (kind === "ADD" ? add : sub)({
    ...factors,
    ...{ input1: EVERY, input1Shape: [256, 1], input1ZeroPoint: zeroPoints[0] },
    ...{ input2: EVERY, input2Shape: [1, 256], input2ZeroPoint: zeroPoints[1] },
    ...{ outputZeroPoint: zeroPoints[2], activationMin: range[0], activationMax: range[1] },
  });
  const made = expected.map((_, i) => {
    const products = Math.imul(EVERY[i >> 8]!, found.factor1) + Math.imul(EVERY[i & 255]!, found.factor2);
    const value = products + found.sumOffset;
    expect(value | 0, "leaves int32").toBe(value);
    return range[0] + Math.min(Math.max(value >> found.sumShift, 0), range[1] - range[0]);
  });
  const wrong = made.findIndex((value, i) => value !== expected[i]);
  expect(wrong, JSON.stringify({ kind, scales, zeroPoints, range })).toBe(-1);
  return true;
}

it("is exact for every pair, and most sums have it", () => {
  const random = new Random(1);
  const count = SOAK ? 200 : 15;
  let solved = 0;
  for (let i = 0; i < count; i++) if (isSolved(randomSum(random))) solved++;
  expect(solved).toBeGreaterThan(0.85 * count);
});

it("is left out where many sums lie halfway between outputs of both signs", () => {
  const zeroPoints = [3, -7, 10] as const;
  expect(isSolved({ kind: "ADD", scales: [1, 0.75, 1], zeroPoints, range: [-128, 127] })).toBe(false);
});
