/**
 * Requantisation in two multiplications of 32 bits, for the chip: constants for each channel such that
 *
 *   low + ((S * high + ((S * lower) >> productShift) + offset) >> outputShift), clamped,
 *
 * is what the reference kernels compute, for every sum S that weights and input can make.
 *
 * The exact result is a step function of S that never falls, so it is known by its thresholds: the smallest S of each
 * output, at most 255. The formula never falls either; it is the same function if it steps at the same places, which is
 * a lower and an upper limit on the offset from each threshold. Real steps are those of a straight line except where
 * the double rounding moves them, so mostly the nominal slope, or one close to it, leaves an offset. Outputs of both
 * signs round away from zero on either side, which is no straight line: most of those have no solution.
 */
import type { Multiplier } from "./multiplier.ts";
import { clamp, requantize } from "./multiplier.ts";
import type { TwoPartChannel, TwoPartRequantization } from "./requantization.ts";

/** What a channel computes exactly: requantize(S + bias) + zeroPoint, clamped to [low, high]. */
export interface ExactChannel extends Multiplier {
  readonly bias: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  /** The sums that can be reached. */
  readonly sumMin: number;
  readonly sumMax: number;
}

/** A channel as a step function of its sum. */
interface Steps {
  readonly channel: ExactChannel;
  /** The outputs at both ends of the reachable sums. */
  readonly least: number;
  readonly most: number;
  /** The smallest sums of outputs least + 1 … most. */
  readonly thresholds: Float64Array;
}

const INT32 = 2 ** 31;
/** The most that the second factor may be shifted, so that it fits 16 bits. */
const MAX_PRODUCT_SHIFT = 16;
/** The most that leaves room for outputs 0 … 255. */
const MAX_OUTPUT_SHIFT = 23;
/** Slopes to either side of the nominal one that are tried. */
const SLOPE_STEPS = 6;
/** Shifts that are tried below the largest that cannot overflow. */
const SHIFTS_TRIED = 3;

/** Shifts that the chip has in the instructions of its 3x3 depthwise convolution (depthwise_3x3_armv6m.S). */
export const FIXED_SHIFTS: Shifts = { productShift: 13, outputShift: 18 };

/**
 * The form for all channels of an operator, or null where there is none for one of them.
 *
 * @param preferred taken where every channel has a solution with these
 */
export function solveTwoPart(
  channels: readonly ExactChannel[],
  preferred?: Shifts,
): TwoPartRequantization | null {
  const steps = allSteps(channels);
  if (steps === null) return null;
  // Channels that were hard before are tried first.
  const order = channels.map((_, c) => c);
  for (const shifts of shiftsToTry(steps, preferred)) {
    const solved = solveAll(steps, shifts, order);
    if (solved) return { form: "two-part", ...shifts, channels: solved };
  }
  return null;
}

export interface Shifts {
  readonly productShift: number;
  readonly outputShift: number;
}

/**
 * The shifts with which most channels have a solution, and those that have none; null where no sums are safe.
 *
 * @param preferred no others are tried
 */
export function nearestTwoPart(
  channels: readonly ExactChannel[],
  preferred?: Shifts,
): { readonly shifts: Shifts; readonly unsolved: readonly number[] } | null {
  const steps = allSteps(channels);
  if (steps === null) return null;
  const tried = (preferred ? [preferred] : [...shiftsToTry(steps)]).map((shifts) => ({
    shifts,
    unsolved: [...steps.keys()].filter((c) => solveChannel(steps[c]!, shifts) === null),
  }));
  return tried.sort((a, b) => a.unsolved.length - b.unsolved.length)[0] ?? null;
}

/** Whether a channel has a solution with these shifts. */
export function hasTwoPart(channel: ExactChannel, shifts: Shifts): boolean {
  const steps = stepsOf(channel);
  return steps !== null && solveChannel(steps, shifts) !== null;
}

function allSteps(channels: readonly ExactChannel[]): Steps[] | null {
  const steps: Steps[] = [];
  for (const channel of channels) {
    const found = stepsOf(channel);
    if (!found) return null;
    steps.push(found);
  }
  return steps;
}

/** The larger both shifts, the finer the constants: from the largest that cannot overflow down. */
function* shiftsToTry(steps: readonly Steps[], preferred?: Shifts): Generator<Shifts> {
  if (preferred) yield preferred;
  // The second product is at most |S| * 2^(productShift - 1): see solveChannel.
  const largest = Math.max(1, ...steps.map(({ channel: c }) => Math.max(-c.sumMin, c.sumMax)));
  const productShift = Math.min(MAX_PRODUCT_SHIFT, Math.floor(32 - Math.log2(largest)));
  const outputShift = largestOutputShift(steps);
  for (let lost = 0; lost <= 2 * (SHIFTS_TRIED - 1); lost++) {
    for (let less = Math.max(0, lost - SHIFTS_TRIED + 1); less <= Math.min(lost, SHIFTS_TRIED - 1); less++) {
      const shifts = { productShift: productShift - less, outputShift: outputShift - (lost - less) };
      if (shifts.productShift >= 1 && shifts.outputShift >= 1) yield shifts;
    }
  }
}

/** Every channel, in the given order, to the front of which goes the one that has no solution. */
function solveAll(steps: readonly Steps[], shifts: Shifts, order: number[]): TwoPartChannel[] | null {
  const solved: TwoPartChannel[] = [];
  for (const [i, c] of order.entries()) {
    const found = solveChannel(steps[c]!, shifts);
    if (!found) {
      order.unshift(...order.splice(i, 1));
      return null;
    }
    solved[c] = found;
  }
  return solved;
}

const realMultiplier = ({ multiplier, shift }: Multiplier) => multiplier * 2 ** (shift - 31);

/** How far from the least output a channel's results can come before the clamp, and 2 for rounding. */
function reachOf(channel: ExactChannel): number {
  const scale = realMultiplier(channel);
  const at = (sum: number) => Math.abs((sum + channel.bias) * scale + channel.zeroPoint - channel.low) + 2;
  return Math.max(at(channel.sumMin), at(channel.sumMax));
}

/** By how much a channel's results are larger than what int32 holds with these shifts; up to 1: they are not. */
export function overreach(channel: ExactChannel, { outputShift }: Shifts): number {
  return (reachOf(channel) * 2 ** outputShift) / INT32;
}

/** The largest shift with which no reachable result leaves int32, and no first factor int16. */
function largestOutputShift(steps: readonly Steps[]): number {
  let reach = 256;
  let largest = 2 ** -9;
  for (const { channel, least, most } of steps) {
    if (least === most) continue;
    largest = Math.max(largest, realMultiplier(channel));
    reach = Math.max(reach, reachOf(channel));
  }
  return Math.min(
    MAX_OUTPUT_SHIFT,
    Math.floor(31 - Math.log2(reach)),
    Math.floor(14.999 - Math.log2(largest)),
  );
}

/** The constants of one channel, proven at every threshold and at both ends; null where none are found. */
function solveChannel(steps: Steps, { productShift, outputShift }: Shifts): TwoPartChannel | null {
  const { channel, least, most } = steps;
  const unit = 2 ** outputShift;
  if (least === most) return { high: 0, low: 0, offset: (least - channel.low) * unit };
  const nominal = Math.round(channel.multiplier * 2 ** (channel.shift - 31 + outputShift + productShift));
  for (let i = 0; i <= 2 * SLOPE_STEPS; i++) {
    const slope = nominal + (i & 1 ? (i + 1) >> 1 : -(i >> 1));
    const high = Math.round(slope / 2 ** productShift);
    const low = slope - high * 2 ** productShift;
    if (slope <= 0 || high >= 2 ** 15 || low >= 2 ** 15) continue;
    const largest = Math.max(-channel.sumMin, channel.sumMax);
    if (largest * Math.abs(low) >= INT32) continue;
    const offset = offsetFor(steps, high, low * 2 ** -productShift, unit);
    if (offset !== null) return { high, low, offset };
  }
  return null;
}

/** An offset that puts every step where it is; `fraction` is the second factor over 2^productShift. */
function offsetFor(steps: Steps, high: number, fraction: number, unit: number): number | null {
  const { channel, least, most, thresholds } = steps;
  const at = (sum: number) => sum * high + Math.floor(sum * fraction);
  let lower = -Infinity;
  let upper = Infinity;
  let step = (least - channel.low) * unit;
  for (const threshold of thresholds) {
    step += unit;
    lower = Math.max(lower, step - at(threshold));
    if (threshold > channel.sumMin) upper = Math.min(upper, step - 1 - at(threshold - 1));
    if (lower > upper) return null;
  }
  // Beyond the reachable outputs only the clamp may help.
  if (least > channel.low) lower = Math.max(lower, (least - channel.low) * unit - at(channel.sumMin));
  if (most < channel.high) upper = Math.min(upper, (most - channel.low + 1) * unit - 1 - at(channel.sumMax));
  // No result may leave int32.
  lower = Math.max(lower, -INT32 - at(channel.sumMin));
  upper = Math.min(upper, INT32 - 1 - at(channel.sumMax));
  if (lower > upper) return null;
  const offset = Math.floor((lower + upper) / 2);
  return offset >= -INT32 && offset < INT32 ? offset : null;
}

/** Null where an accumulator, or its left shift, could leave 32 bits. */
function stepsOf(channel: ExactChannel): Steps | null {
  const { bias, sumMin, sumMax, shift } = channel;
  const limit = 2 ** (31 - Math.max(shift, 0));
  if (sumMin + bias < -limit || sumMax + bias >= limit) return null;
  const least = exactOutput(channel, sumMin);
  const most = exactOutput(channel, sumMax);
  return { channel, least, most, thresholds: thresholdsOf(channel, least, most) };
}

/** What the reference kernels compute. */
export function exactOutput(channel: ExactChannel, sum: number): number {
  return clamp(requantize(sum + channel.bias, channel) + channel.zeroPoint, channel.low, channel.high);
}

/**
 * For a right shift by e, output - zero point = k is reached where the first rounding gives X = k * 2^e - 2^(e - 1),
 * one more for k <= 0 (ties away from zero), which is from ceil((X * 2^31 - 2^30) / multiplier). The numerator is
 * exact in float64 for e <= 14, and a quotient below 2^21 is further from any integer than its rounding error.
 */
function thresholdsOf(channel: ExactChannel, least: number, most: number): Float64Array {
  const { multiplier, shift, zeroPoint, bias, sumMin } = channel;
  const e = -shift;
  const isClosed = e > 0 && e <= 14;
  const [scale, half] = [2 ** e, 2 ** (e - 1)];
  const thresholds = new Float64Array(most - least);
  let first = sumMin;
  for (let i = 0; i < thresholds.length; i++) {
    const k = least + 1 + i - zeroPoint;
    const x = k * scale - half + (k <= 0 ? 1 : 0);
    const closed = Math.ceil((x * 2 ** 31 - 2 ** 30) / multiplier);
    first =
      isClosed && Math.abs(closed) < 2 ** 21
        ? Math.max(first, closed - bias)
        : searched(channel, least + 1 + i, first);
    thresholds[i] = first;
  }
  return thresholds;
}

/** The smallest sum from `first` on whose output is at least y; there is one. */
function searched(channel: ExactChannel, y: number, first: number): number {
  if (exactOutput(channel, first) >= y) return first;
  let [low, high] = [first, channel.sumMax];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (exactOutput(channel, middle) >= y) high = middle;
    else low = middle;
  }
  return high;
}
