/**
 * ADD and SUB in two multiplications of 32 bits, for the chip: constants such that
 *
 *   low + ((x * factor1 + y * factor2 + offset) >> shift), clamped to [low, high],
 *
 * is what the reference kernels compute in three roundings, for all 65,536 pairs of inputs x and y.
 *
 * With given factors, each pair is a limit on the offset, from below unless its output is the least, and from above
 * unless it is the largest. The nominal factors, or ones close to them, mostly leave an offset, as the roundings are
 * fine and pairs few. Where ratios of scales are such that many sums lie halfway between outputs of both signs, which
 * round away from zero, there may be none.
 */
import type { KernelCallOf } from "./kernel-call.ts";
import { clamp, type Multiplier, requantize } from "./multiplier.ts";

/** Bits by which ADD and SUB scale both inputs up before they rescale them. */
export const ADD_LEFT_SHIFT = 20;

type SumValues = KernelCallOf<"add_s8">["values"];

/** The fields of a record that say it; all 0 for none. */
export type LinearSum = Pick<SumValues, "factor1" | "factor2" | "sumOffset" | "sumShift">;

export const NO_LINEAR_SUM: LinearSum = { factor1: 0, factor2: 0, sumOffset: 0, sumShift: 0 };

const INT32 = 2 ** 31;
const VALUES = 256;
/** What is added to nominal factors. */
const STEPS = [0, 1, -1, 2, -2];

/** The constants of a sum; {@link NO_LINEAR_SUM} where none are found. */
export function solveLinearSum(values: SumValues): LinearSum {
  const { multiplier1, multiplier2, outputMultiplier, shift1, shift2, outputShift, subtract } = values;
  const common = 2 ** (ADD_LEFT_SHIFT + outputShift - 31) * outputMultiplier;
  const scale1 = multiplier1 * 2 ** (shift1 - 31) * common;
  const scale2 = multiplier2 * 2 ** (shift2 - 31) * common;
  // No sum may leave int32, nor may 256 outputs.
  const shift = Math.floor(31 - Math.log2((VALUES - 1) * (scale1 + scale2) + VALUES + 2));
  if (shift < 1) return NO_LINEAR_SUM;
  const levels = levelsOf(values);
  for (const step1 of STEPS) {
    for (const step2 of STEPS) {
      const factor1 = Math.round(scale1 * 2 ** shift) + step1;
      const factor2 = Math.round(scale2 * 2 ** shift) + step2;
      if (Math.min(factor1, factor2) < 0) continue;
      const signed2 = subtract ? 0 - factor2 : factor2;
      const sumOffset = offsetFor(
        levels,
        values.activationMax - values.activationMin,
        factor1,
        signed2,
        shift,
      );
      if (sumOffset !== null) return { factor1, factor2: signed2, sumOffset, sumShift: shift };
    }
  }
  return NO_LINEAR_SUM;
}

/** The output of every pair above the least one, [x + 128, y + 128]. */
function levelsOf(values: SumValues): Uint8Array {
  const { outputZeroPoint, activationMin: low, activationMax: high } = values;
  const left = rescaled(values.inputZeroPoint, values.multiplier1, values.shift1, 1);
  const sign = values.subtract ? -1 : 1;
  const right = rescaled(values.input2ZeroPoint, values.multiplier2, values.shift2, sign);
  const form = { multiplier: values.outputMultiplier, shift: values.outputShift };
  const steps = thresholds(
    (sum) => clamp(requantize(sum, form) + outputZeroPoint, low, high),
    Math.min(...left) + Math.min(...right),
    Math.max(...left) + Math.max(...right),
    high,
    low,
  );
  const levels = new Uint8Array(VALUES * VALUES);
  let level = 0;
  for (let i = 0; i < levels.length; i++) {
    const sum = left[i >> 8]! + right[i & 0xff]!;
    while (level < steps.length && sum >= steps[level]!) level++;
    while (level > 0 && sum < steps[level - 1]!) level--;
    levels[i] = level;
  }
  return levels;
}

function rescaled(zeroPoint: number, multiplier: number, shift: number, sign: number): Float64Array {
  const form: Multiplier = { multiplier, shift };
  return Float64Array.from(
    { length: VALUES },
    (_, i) => sign * requantize((i - 128 - zeroPoint) * 2 ** ADD_LEFT_SHIFT, form),
  );
}

/** For each output above the least the smallest sum that gives as much; Infinity where none does. */
function thresholds(
  outputOf: (sum: number) => number,
  least: number,
  most: number,
  high: number,
  low: number,
): Float64Array {
  return Float64Array.from({ length: high - low }, (_, i) => {
    let [below, from] = [least - 1, most + 1];
    while (from - below > 1) {
      const middle = Math.floor((below + from) / 2);
      if (outputOf(middle) > low + i) from = middle;
      else below = middle;
    }
    return from > most ? Infinity : from;
  });
}

/** An offset that is right for every pair; null where there is none. */
function offsetFor(
  levels: Uint8Array,
  most: number,
  factor1: number,
  factor2: number,
  shift: number,
): number | null {
  const unit = 2 ** shift;
  const corners = [-128, 127].flatMap((x) => [-128, 127].map((y) => x * factor1 + y * factor2));
  let lower = -INT32 - Math.min(...corners);
  let upper = INT32 - 1 - Math.max(...corners);
  for (let i = 0; i < levels.length; i++) {
    const sum = ((i >> 8) - 128) * factor1 + ((i & 0xff) - 128) * factor2;
    const level = levels[i]!;
    if (level > 0) lower = Math.max(lower, level * unit - sum);
    if (level < most) upper = Math.min(upper, (level + 1) * unit - 1 - sum);
    if (lower > upper) return null;
  }
  return Math.floor((lower + upper) / 2);
}
