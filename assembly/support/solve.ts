/**
 * The cheapest exact way from accumulator to int8, found for each channel when a model is loaded (SIMD).
 *
 * Accumulator -> int8 is a step function that never falls: it is known by its thresholds, the smallest accumulator
 * of each output. A formula that is monotone as well is the same function if it has the same thresholds; those that
 * the channel's weights, bias and input can reach are enough. Formulas, the cheapest first:
 *
 *   FLOAT      round(f32(acc - origin) * scale + offset)
 *   FLOAT_SIGN round(f32(acc - origin) * scale + (acc < origin ? offset2 : offset)), for outputs of both signs, where
 *              the reference kernels round ties away from zero
 *   INTEGER    both roundings in 64 bits: exact for every accumulator, but for left shifts and a shift by 31
 *   PLAIN      channel by channel, exact always
 *   TWO_PART   what the image has, where it was made for the chip; in place of INTEGER and PLAIN
 *
 * In a float formula the product and the sum are rounded to float32 in any engine alike, so a proof holds everywhere.
 */
import { requantize, twoPart } from "./requantize";

export const FLOAT: i32 = 0;
export const FLOAT_SIGN: i32 = 1;
export const INTEGER: i32 = 2;
export const PLAIN: i32 = 3;
export const TWO_PART: i32 = 4;

/** Adding this and taking it off again rounds |x| < 2^22 to the nearest integer, ties to even. */
export const ROUNDER: f32 = 12582912.0;
const ROUNDER_RANGE: f32 = 4194304.0;
/**
 * The largest step between float32 below 256: twice what comparing in float32 can be off, and four times what a sum next to
 * y - 1/2 can be rounded by.
 */
const ULP: f64 = 1.0 / 65536.0;
/** Scales to either side of the nominal one that are tried, in float32 steps, first and with other origins. */
const SCALE_STEPS: i32 = 24;
const SCALE_STEPS_AGAIN: i32 = 1;
/** Origins to either side that are tried: products and sums are then rounded in another way. */
const ORIGIN_STEPS: i32 = 8;
/** Offsets to either side of the best one that are tried where rounding decides. */
const OFFSET_STEPS: i32 = 2;
const OFFSET_STEP: f64 = 1.0 / 524288.0;

/** What a channel computes, and the accumulators that it can reach. */
// @ts-ignore: decorator
@unmanaged
export class Channel {
  isTwoPart: bool;
  /** Where it is not: */
  multiplier: i32;
  shift: i32;
  zeroPoint: i32;
  /** Where it is: */
  highFactor: i32;
  lowFactor: i32;
  offset: i32;
  productShift: i32;
  outputShift: i32;
  /** In both cases: */
  low: i32;
  high: i32;
  accMin: i32;
  accMax: i32;
}

/** The constants that were found. */
// @ts-ignore: decorator
@unmanaged
export class Solution {
  origin: i32;
  scale: f32;
  offset: f32;
  /** Below the origin; the same for FLOAT. */
  offset2: f32;
  /** Whether the channel reaches every output. */
  isFull: bool;
}

/** Thresholds of the outputs of one channel, at most 255; in memory of this module's own. */
const thresholds = memory.data(256 * 4);

// @ts-ignore: decorator
@inline
function outputOf(c: Channel, acc: i32): i32 {
  const value = c.isTwoPart
    ? twoPart(acc, c.highFactor, c.lowFactor, c.offset, c.productShift, c.outputShift) + c.low
    : requantize(acc, c.multiplier, c.shift) + c.zeroPoint;
  return min(max(value, c.low), c.high);
}

/**
 * The smallest accumulator in [first, last] whose output is at least y; it must exist. A guess from real arithmetic,
 * corrected by steps, is right almost at once.
 */
function threshold(c: Channel, y: i32, first: i32, last: i32, guess: f64): i32 {
  let at = <i32>min(max(guess, <f64>first), <f64>last);
  let step = 1;
  // Bracket, doubling the step, then halve.
  let low = at, high = at;
  if (outputOf(c, at) >= y) {
    while (low > first && outputOf(c, low) >= y) {
      high = low;
      low = <i32>max(<i64>first, <i64>low - step);
      step <<= 1;
    }
    if (outputOf(c, low) >= y) return low;
  } else {
    while (outputOf(c, high) < y) {
      low = high;
      high = <i32>min(<i64>last, <i64>high + step);
      step <<= 1;
    }
  }
  while (<i64>high - low > 1) {
    const middle = <i32>((<i64>low + high) >> 1);
    if (outputOf(c, middle) >= y) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * Fills `thresholds` with those of outputs (least, most].
 *
 * For a right shift by e, y - zero point = k is reached where the first rounding gives X = k * 2^e - 2^(e - 1), one more
 * for k <= 0 (ties away from zero), which is from ceil((X * 2^31 - 2^30) / multiplier). With e <= 14 the numerator is
 * exact in float64, and the quotient, below 2^21, is further from any integer than its rounding error.
 */
function findThresholds(c: Channel, least: i32, most: i32): void {
  if (!c.isTwoPart && closedThresholds(c, least, most)) return;
  const perUnit = 1.0 / realScale(c);
  const zero = realZero(c);
  let from = c.accMin;
  for (let y = least + 1; y <= most; y++) {
    from = threshold(c, y, from, c.accMax, (<f64>y - 0.5 - zero) * perUnit);
    store<i32>(thresholds + (<usize>(y - least - 1) << 2), from);
  }
}

/** By the closed form, two at a time; false, with thresholds that mean nothing, where it does not serve. */
function closedThresholds(c: Channel, least: i32, most: i32): bool {
  const e = -c.shift;
  if (e <= 0 || e > 14) return false;
  const unit = <f64>(1 << e) * 2147483648.0;
  const divisor = f64x2.splat(<f64>c.multiplier);
  const zero = f64x2.splat(0.0), two = f64x2.splat(2.0), tie = f64x2.splat(2147483648.0), step = f64x2.splat(2.0 * unit);
  const first = <f64>(least + 1 - c.zeroPoint);
  let k = f64x2(first, first + 1.0);
  let numerator = f64x2.sub(f64x2.mul(k, f64x2.splat(unit)), f64x2.splat(0.5 * unit + 1073741824.0));
  let at = thresholds;
  const end = thresholds + (<usize>(most - least) << 2);
  let lowest: f64 = 0.0;
  let quotient = zero;
  while (at < end) {
    quotient = f64x2.ceil(f64x2.div(f64x2.add(numerator, v128.and(f64x2.le(k, zero), tie)), divisor));
    if (at == thresholds) lowest = f64x2.extract_lane(quotient, 0);
    v128.store_lane<i64>(at, i32x4.trunc_sat_f64x2_s_zero(quotient), 0);
    k = f64x2.add(k, two);
    numerator = f64x2.add(numerator, step);
    at += 8;
  }
  return Math.max(-lowest, f64x2.extract_lane(quotient, 1)) < 2097152.0;
}

// @ts-ignore: decorator
@inline
function product(acc: i32, origin: i32, scale: f32): f32 {
  return <f32>(acc - origin) * scale;
}

// @ts-ignore: decorator
@inline
function rounded(x: f32): f32 {
  return x + ROUNDER - ROUNDER;
}

/** The float32 that is `steps` away from a positive one. */
// @ts-ignore: decorator
@inline
function neighbour(x: f32, steps: i32): f32 {
  return reinterpret<f32>(reinterpret<i32>(x) + steps);
}

/** Pairs of outputs whose thresholds left no offset lately: with another scale or origin it is mostly they again. */
const CONFLICTS: i32 = 4;
const conflicts = memory.data(<i32>CONFLICTS << 3);
let conflictCount: i32 = 0;

// @ts-ignore: decorator
@inline
function leastOffset(least: i32, y: i32, origin: i32, scale: f32): f64 {
  return <f64>y - 0.5 - <f64>product(load<i32>(thresholds + (<usize>(y - least - 1) << 2)), origin, scale);
}

// @ts-ignore: decorator
@inline
function mostOffset(least: i32, y: i32, origin: i32, scale: f32): f64 {
  return <f64>y - 0.5 - <f64>product(load<i32>(thresholds + (<usize>(y - least - 1) << 2)) - 1, origin, scale);
}

function isConflict(least: i32, from: i32, to: i32, origin: i32, scale: f32): bool {
  for (let i = 0; i < min(conflictCount, CONFLICTS); i++) {
    const lower = load<i32>(conflicts + (<usize>i << 3)), upper = load<i32>(conflicts + (<usize>i << 3), 4);
    if (min(lower, upper) <= from || max(lower, upper) > to) continue;
    if (leastOffset(least, lower, origin, scale) > mostOffset(least, upper, origin, scale) + ULP) return true;
  }
  return false;
}

/** Remembers which of the thresholds of outputs (from, to] are furthest apart. */
function noteConflict(least: i32, from: i32, to: i32, origin: i32, scale: f32): void {
  let lower: f64 = -Infinity, upper: f64 = Infinity;
  const at = conflicts + (<usize>(conflictCount++ % CONFLICTS) << 3);
  for (let y = from + 1; y <= to; y++) {
    const low = leastOffset(least, y, origin, scale), high = mostOffset(least, y, origin, scale);
    if (low > lower) {
      lower = low;
      store<i32>(at, y);
    }
    if (high < upper) {
      upper = high;
      store<i32>(at, y, 4);
    }
  }
}

/**
 * An offset that puts the thresholds of outputs (from, to], which lie at index 0 …, exactly where they are; NaN
 * where there is none. `accFirst` and `accLast` are the ends of the range that it must hold on: thresholds lie above the
 * first.
 */
function offsetFor(c: Channel, least: i32, from: i32, to: i32, origin: i32, scale: f32, accFirst: i32, accLast: i32): f32 {
  if (isConflict(least, from, to, origin, scale)) return NaN;
  let lowest = f32x4.splat(-Infinity), highest = f32x4.splat(Infinity);
  const origins = i32x4.splat(origin), scales = f32x4.splat(scale), one = i32x4.splat(1), slack = f32x4.splat(<f32>ULP);
  const four = f32x4.splat(4.0);
  const first = <f32>(from + 1) - 0.5;
  let middle = f32x4(first, first + 1.0, first + 2.0, first + 3.0);
  let y = from + 1;
  for (; y + 3 <= to; y += 4) {
    const t = i32x4.sub(v128.load(thresholds + (<usize>(y - least - 1) << 2)), origins);
    const on = f32x4.mul(f32x4.convert_i32x4_s(t), scales);
    const under = f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(t, one)), scales);
    lowest = f32x4.pmax(lowest, f32x4.sub(middle, on));
    highest = f32x4.pmin(highest, f32x4.sub(middle, under));
    if (v128.any_true(f32x4.gt(lowest, f32x4.add(highest, slack)))) {
      noteConflict(least, from, y + 3, origin, scale);
      return NaN;
    }
    middle = f32x4.add(middle, four);
  }
  lowest = f32x4.pmax(lowest, v128.shuffle<f32>(lowest, lowest, 2, 3, 0, 1));
  highest = f32x4.pmin(highest, v128.shuffle<f32>(highest, highest, 2, 3, 0, 1));
  let lower: f64 = max(f32x4.extract_lane(lowest, 0), f32x4.extract_lane(lowest, 1));
  let upper: f64 = min(f32x4.extract_lane(highest, 0), f32x4.extract_lane(highest, 1));
  for (; y <= to; y++) {
    lower = max(lower, leastOffset(least, y, origin, scale));
    upper = min(upper, mostOffset(least, y, origin, scale));
  }
  if (lower > upper + ULP) {
    noteConflict(least, from, to, origin, scale);
    return NaN;
  }
  let offset: f32;
  if (lower == -Infinity) {
    const middle = (<f64>product(accFirst, origin, scale) + <f64>product(accLast, origin, scale)) * 0.5;
    offset = <f32>(<f64>to - middle);
  } else {
    offset = upper == Infinity ? <f32>(lower + 0.25) : <f32>((lower + upper) * 0.5);
  }
  const start = product(accFirst, origin, scale), end = product(accLast, origin, scale);
  // With more than an ulp of room the sum cannot be rounded to or across y - 1/2, which is a float32.
  const isSafe = <f64>offset - lower > ULP && upper - <f64>offset > ULP;
  for (let i = 0; i <= 2 * OFFSET_STEPS; i++) {
    const candidate = <f32>(<f64>offset + <f64>alternating(i) * OFFSET_STEP);
    if (max(abs(start + candidate), abs(end + candidate)) >= ROUNDER_RANGE) return NaN;
    // Past the reachable outputs only the clamp may help.
    const helps = (from <= c.low || rounded(start + candidate) >= <f32>from) && (to >= c.high || rounded(end + candidate) <= <f32>to);
    if (helps && (isSafe || isExact(least, from, to, origin, scale, candidate))) return candidate;
    if (isSafe || lower == -Infinity) return NaN;
  }
  return NaN;
}

/** The proof: the real float32 sequence on both sides of every threshold. */
function isExact(least: i32, from: i32, to: i32, origin: i32, scale: f32, offset: f32): bool {
  const origins = i32x4.splat(origin), scales = f32x4.splat(scale), offsets = f32x4.splat(offset);
  const one = i32x4.splat(1), four = f32x4.splat(4.0);
  const first = <f32>(from + 1);
  let output = f32x4(first, first + 1.0, first + 2.0, first + 3.0);
  let y = from + 1;
  for (; y + 3 <= to; y += 4) {
    const t = i32x4.sub(v128.load(thresholds + (<usize>(y - least - 1) << 2)), origins);
    const on = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(t), scales), offsets);
    const under = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(t, one)), scales), offsets);
    // To the nearest, ties to even, as ROUNDER has it.
    const wrong = v128.or(f32x4.lt(f32x4.nearest(on), output), f32x4.ge(f32x4.nearest(under), output));
    if (v128.any_true(wrong)) return false;
    output = f32x4.add(output, four);
  }
  for (; y <= to; y++) {
    const t = load<i32>(thresholds + (<usize>(y - least - 1) << 2));
    if (rounded(product(t, origin, scale) + offset) < <f32>y) return false;
    if (rounded(product(t - 1, origin, scale) + offset) >= <f32>y) return false;
  }
  return true;
}

/** The slope of the output over the accumulator, and the output of an accumulator of 0, before rounding. */
function realScale(c: Channel): f64 {
  if (!c.isTwoPart) return <f64>c.multiplier * Math.pow(2.0, <f64>(c.shift - 31));
  const slope = <f64>c.highFactor + <f64>c.lowFactor * Math.pow(2.0, <f64>-c.productShift);
  return slope * Math.pow(2.0, <f64>-c.outputShift);
}

function realZero(c: Channel): f64 {
  if (!c.isTwoPart) return <f64>c.zeroPoint;
  return <f64>c.offset * Math.pow(2.0, <f64>-c.outputShift) + <f64>c.low - 0.5;
}

/** Whether `acc - origin` stays within int32 for every reachable accumulator. */
function fits(c: Channel, origin: f64): bool {
  return Math.abs(<f64>c.accMax - origin) < 2147483647.0 && Math.abs(<f64>c.accMin - origin) < 2147483647.0;
}

// @ts-ignore: decorator
@inline
function hasNoSlope(c: Channel): bool {
  return c.isTwoPart ? c.highFactor == 0 && c.lowFactor == 0 : c.multiplier == 0;
}

/** The i-th of 0, 1, -1, 2, -2 … */
// @ts-ignore: decorator
@inline
function alternating(i: i32): i32 {
  return i & 1 ? (i + 1) >> 1 : -(i >> 1);
}

/** A float form where it can be proven, into `s`; INTEGER where none can. */
export function solve(c: Channel, s: Solution): i32 {
  const least = outputOf(c, c.accMin), most = outputOf(c, c.accMax);
  s.isFull = least == c.low && most == c.high;
  if (least == most) {
    s.origin = 0;
    s.scale = 0.0;
    s.offset = <f32>least;
    return FLOAT;
  }
  if (hasNoSlope(c)) return INTEGER;
  const nominal = <f32>realScale(c);
  findThresholds(c, least, most);
  conflictCount = 0;
  // What the chip's two-part form can do has one slope and one offset.
  const isTwoSided = !c.isTwoPart && c.accMin < 0 && outputOf(c, -1) > least;
  if (isTwoSided && solveFloatSign(c, s, least, most, nominal)) return FLOAT_SIGN;
  return solveFloat(c, s, least, most, nominal, isTwoSided ? 0 : ORIGIN_STEPS) ? FLOAT : INTEGER;
}

/** Whether what was found for a channel that is full serves another one that differs in its range only. */
export function isWithin(c: Channel, s: Solution): bool {
  if (!s.isFull || !fits(c, <f64>s.origin)) return false;
  const room = ROUNDER_RANGE - max(abs(s.offset), abs(s.offset2));
  return max(abs(product(c.accMin, s.origin, s.scale)), abs(product(c.accMax, s.origin, s.scale))) < room;
}

function solveFloat(c: Channel, s: Solution, least: i32, most: i32, nominal: f32, origins: i32): bool {
  // So that the product is the output itself: float32 is finest where the steps are.
  const origin = Math.round(-realZero(c) / <f64>nominal);
  for (let o = 0; o <= 2 * origins; o++) {
    if (!fits(c, origin + <f64>alternating(o))) continue;
    s.origin = <i32>origin + alternating(o);
    const steps = o == 0 ? SCALE_STEPS : SCALE_STEPS_AGAIN;
    for (let i = 0; i <= 2 * steps; i++) {
      s.scale = neighbour(nominal, alternating(i));
      s.offset = offsetFor(c, least, least, most, s.origin, s.scale, c.accMin, c.accMax);
      s.offset2 = s.offset;
      if (s.offset == s.offset) return true;
    }
  }
  return false;
}

function solveFloatSign(c: Channel, s: Solution, least: i32, most: i32, nominal: f32): bool {
  for (let o = 0; o <= 2 * ORIGIN_STEPS; o++) {
    const origin = alternating(o);
    if (c.accMin >= origin || c.accMax < origin || !fits(c, <f64>origin)) continue;
    s.origin = origin;
    const below = outputOf(c, origin - 1), above = outputOf(c, origin);
    const steps = o == 0 ? SCALE_STEPS : SCALE_STEPS_AGAIN;
    for (let i = 0; i <= 2 * steps; i++) {
      s.scale = neighbour(nominal, alternating(i));
      s.offset2 = offsetFor(c, least, least, below, origin, s.scale, c.accMin, origin - 1);
      if (s.offset2 != s.offset2) continue;
      s.offset = offsetFor(c, least, above, most, origin, s.scale, origin, c.accMax);
      // The offset below zero is put together again at run time: it must come out as it was proven.
      if (s.offset == s.offset && s.offset + (s.offset2 - s.offset) == s.offset2) return true;
    }
  }
  return false;
}
