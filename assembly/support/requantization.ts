/**
 * The channels of an operator as the image has them, in either form; see `REQUANTIZATION` in src/plan/layout.ts.
 *
 * Kernels here multiply the raw int8, x * w, where the image's constants are for sums of (x + 128) * w: a sum starts at
 * `startOf`, so that the constants fit.
 */
import { Requantization, TWO_PART as FORM_TWO_PART } from "./records";
import { clamp, requantize, twoPart } from "./requantize";

// @ts-ignore: decorator
@inline
export function isTwoPart(t: Requantization): bool {
  return t.form == FORM_TWO_PART;
}

/** The data of channel c, `bytes` for each. */
// @ts-ignore: decorator
@inline
function dataAt(t: Requantization, c: i32, bytes: usize): usize {
  return changetype<usize>(t) + offsetof<Requantization>() + <usize>c * bytes;
}

// @ts-ignore: decorator
@inline
export function biasOf(t: Requantization, c: i32): i32 {
  return load<i32>(dataAt(t, c, 4));
}

// @ts-ignore: decorator
@inline
export function multiplierOf(t: Requantization, c: i32): i32 {
  return load<i32>(dataAt(t, t.channels + (t.perChannel ? c : 0), 4));
}

// @ts-ignore: decorator
@inline
export function shiftOf(t: Requantization, c: i32): i32 {
  if (t.perChannel) return load<i8>(dataAt(t, 2 * t.channels, 4) + <usize>c);
  return load<i8>(dataAt(t, t.channels + 1, 4));
}

// @ts-ignore: decorator
@inline
export function lowFactorOf(t: Requantization, c: i32): i32 {
  return load<i16>(dataAt(t, c, 8));
}

// @ts-ignore: decorator
@inline
export function highFactorOf(t: Requantization, c: i32): i32 {
  return load<i16>(dataAt(t, c, 8), 2);
}

// @ts-ignore: decorator
@inline
export function offsetOf(t: Requantization, c: i32): i32 {
  return load<i32>(dataAt(t, c, 8), 4);
}

/** Where sums of x * w start; `weights` is the sum of w. */
// @ts-ignore: decorator
@inline
export function startOf(t: Requantization, c: i32, weights: i32): i32 {
  return (weights << 7) + (isTwoPart(t) ? 0 : biasOf(t, c));
}

/** A sum, from `startOf` on, to int8. */
export function toInt8(t: Requantization, c: i32, sum: i32, zeroPoint: i32, low: i32, high: i32): i8 {
  const value = isTwoPart(t)
    ? low + twoPart(sum, highFactorOf(t, c), lowFactorOf(t, c), offsetOf(t, c), t.productShift, t.outputShift)
    : zeroPoint + requantize(sum, multiplierOf(t, c), shiftOf(t, c));
  return <i8>clamp(value, low, high);
}

/**
 * For kernels without vectors: where the sum of each channel starts (i32). The weights of a channel lie `stride` bytes
 * apart and have a zero point; `inputZeroPoint` is what the kernel takes off each input.
 */
export function packStarts(
  starts: usize,
  t: Requantization,
  weights: usize,
  count: i32,
  stride: usize,
  channelStride: usize,
  zeroPoint: i32,
  inputZeroPoint: i32,
): void {
  for (let c = 0; c < <i32>t.channels; c++) {
    let sum = 0;
    for (let k = 0; k < count; k++) sum += <i32>load<i8>(weights + <usize>k * stride) - zeroPoint;
    store<i32>(starts + (<usize>c << 2), startOf(t, c, sum) + sum * inputZeroPoint);
    weights += channelStride;
  }
}
