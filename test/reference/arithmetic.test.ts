import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import {
  highMultiply,
  highMultiplyExact,
  quantizeMultiplier,
  requantize,
  requantizeExact,
  roundAway,
  roundingShift,
} from "./arithmetic.ts";

const EDGES = [
  0,
  1,
  -1,
  2,
  3,
  2 ** 16,
  2 ** 30,
  2 ** 30 + 1,
  2 ** 31 - 1,
  -(2 ** 31),
  -(2 ** 31) + 1,
  -(2 ** 30),
];

describe("rounding", () => {
  test("ties go away from zero, and what is just below a tie does not", () => {
    expect([0.5, -0.5, 1.5, -1.5, 2.4, -2.6].map(roundAway)).toEqual([1, -1, 2, -2, 2, -3]);
    expect(roundAway(0.49999999999999994)).toBe(0);
    expect([6, -6, 5, -5, 2, -2].map((value) => roundingShift(value, 2))).toEqual([2, -2, 1, -1, 1, -1]);
  });

  test("the high product takes ties up, negative ones too", () => {
    expect(highMultiply(1, 2 ** 30)).toBe(1); // 0.5
    expect(highMultiply(-1, 2 ** 30)).toBe(0); // -0.5
    expect(highMultiply(-3, 2 ** 30)).toBe(-1); // -1.5
    expect(highMultiply(-(2 ** 31), -(2 ** 31))).toBe(2 ** 31 - 1);
  });
});

describe("float64 and BigInt agree", () => {
  const random = new Random(1);
  const int32 = () => random.uint32() | 0;
  const multiplier = () => random.integer(2 ** 30, 2 ** 31 - 1);

  test("high product", () => {
    const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));
    for (let i = 0; i < 20_000; i++) pairs.push([int32(), i % 2 === 0 ? int32() : multiplier()]);
    for (const [a, b] of pairs) {
      if (highMultiply(a, b) !== highMultiplyExact(a, b)) expect.fail(`${a} * ${b}`);
    }
  });

  test("requantize", () => {
    const cases = EDGES.flatMap((a) => [-31, -7, -1, 0, 1, 9].map((shift) => [a, 2 ** 30, shift] as const));
    for (let i = 0; i < 20_000; i++) {
      cases.push([int32() >> random.integer(0, 24), multiplier(), random.integer(-31, 12)]);
    }
    for (const [value, m, shift] of cases) {
      if (requantize(value, m, shift) !== requantizeExact(value, m, shift)) {
        expect.fail(`${value} * ${m} * 2^${shift}`);
      }
    }
  });
});

test("multipliers", () => {
  expect(quantizeMultiplier(1)).toEqual({ multiplier: 2 ** 30, shift: 1 });
  expect(quantizeMultiplier(0.75)).toEqual({ multiplier: 0.75 * 2 ** 31, shift: 0 });
  // Rounds up to 2^31, which is halved.
  expect(quantizeMultiplier(1 - 2 ** -40)).toEqual({ multiplier: 2 ** 30, shift: 1 });
  expect(quantizeMultiplier(2 ** -32)).toEqual({ multiplier: 2 ** 30, shift: -31 });
  expect(quantizeMultiplier(2 ** -33)).toEqual({ multiplier: 0, shift: 0 });
  expect(() => quantizeMultiplier(0)).toThrow(RangeError);
});
