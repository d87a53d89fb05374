import { describe, expect, test } from "vitest";
import { affineOf, chooseRange, quantizeValue } from "../../src/quantize/ranges.ts";
import { Random } from "../support/random.ts";

/** Mostly within 2, a few far away. */
function heavyTailed(seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: 20000 }, () => random.normal() * (random.chance(0.001) ? 30 : 0.6));
}

const meanSquaredError = (values: Float32Array, range: { min: number; max: number }) => {
  const affine = affineOf(range);
  const sum = values.reduce((total, value) => {
    const real = affine.scale * (quantizeValue(value, affine) - affine.zeroPoint);
    return total + (real - value) ** 2;
  }, 0);
  return sum / values.length;
};

describe("affineOf", () => {
  test.each([
    { min: 0, max: 6 },
    { min: -1, max: 3 },
    { min: -7, max: 0 },
    { min: 2, max: 5 },
    { min: -3, max: -1 },
    { min: 0, max: 0 },
  ])("$min to $max: 0 is exact and the ends are within a step", ({ min, max }) => {
    const affine = affineOf({ min, max });
    expect(Math.fround(affine.scale)).toBe(affine.scale);
    expect(quantizeValue(0, affine)).toBe(affine.zeroPoint);
    for (const value of [min, max]) {
      const real = affine.scale * (quantizeValue(value, affine) - affine.zeroPoint);
      expect(Math.abs(real - value)).toBeLessThanOrEqual(affine.scale * 0.5001);
    }
  });

  test("values outside become the ends", () => {
    const affine = affineOf({ min: -1, max: 1 });
    expect(quantizeValue(100, affine)).toBe(127);
    expect(quantizeValue(-100, affine)).toBe(-128);
  });
});

describe("chooseRange", () => {
  const values = heavyTailed(1);
  const parts = [values.subarray(0, 7000), values.subarray(7000)];
  const choose = (method: "minmax" | "percentile" | "mse", outside = 0) =>
    chooseRange(parts, { method, outside });

  test("minmax covers everything, 0 too", () => {
    expect(choose("minmax")).toEqual({ min: Math.min(...values), max: Math.max(...values) });
    expect(chooseRange([Float32Array.of(3, 4)], { method: "minmax", outside: 0 })).toEqual({
      min: 0,
      max: 4,
    });
  });

  test("percentile leaves about the share outside that is asked for", () => {
    for (const outside of [0.01, 0.1]) {
      const { min, max } = choose("percentile", outside);
      const share = values.filter((value) => value < min || value > max).length / values.length;
      expect(share).toBeLessThanOrEqual(outside);
      expect(share).toBeGreaterThan(0.7 * outside);
    }
  });

  test("mse has less error than both", () => {
    const error = meanSquaredError(values, choose("mse"));
    expect(error).toBeLessThan(0.97 * meanSquaredError(values, choose("minmax")));
    expect(error).toBeLessThan(meanSquaredError(values, choose("percentile", 0.002)));
  });

  test("mse keeps what is even", () => {
    const even = Float32Array.from({ length: 5000 }, (_, i) => i / 5000 - 0.25);
    expect(chooseRange([even], { method: "mse", outside: 0 }).max).toBeGreaterThan(0.7);
  });
});
