/**
 * exp and 1 / (1 + x) on 32-bit fixed-point numbers, as gemmlowp computes them: the chip has no float. Qi.f
 * has i integer bits and f fraction bits. See docs/arithmetic.md.
 */
import { highProduct, roundingShiftRight } from "./requantize";

/** x * 2^bits, saturated to int32. */
// @ts-ignore: decorator
@inline
function saturatingShiftLeft(x: i32, bits: i32): i32 {
  const wide = <i64>x << bits;
  return <i32>min(max(wide, <i64>i32.MIN_VALUE), <i64>i32.MAX_VALUE);
}

/** exp(a) in Q0.31 for a <= 0 in Q5.26. */
export function expOfNegative(a: i32): i32 {
  if (a == 0) return i32.MAX_VALUE;
  const quarter = 1 << 24;
  const inQuarter = (a & (quarter - 1)) - quarter;
  const quarters = inQuarter - a;
  const x = (inQuarter << 5) + (1 << 28);
  const x2 = highProduct(x, x);
  const x3 = highProduct(x2, x);
  const x4 = highProduct(x2, x2);
  const tail = roundingShiftRight(highProduct(roundingShiftRight(x4, 2) + x3, 715827883) + x2, 1);
  let result = 1895147668 + highProduct(1895147668, x + tail);
  if (quarters & (1 << 24)) result = highProduct(result, 1672461947);
  if (quarters & (1 << 25)) result = highProduct(result, 1302514674);
  if (quarters & (1 << 26)) result = highProduct(result, 790015084);
  if (quarters & (1 << 27)) result = highProduct(result, 290630308);
  if (quarters & (1 << 28)) result = highProduct(result, 39332535);
  if (quarters & (1 << 29)) result = highProduct(result, 720401);
  if (quarters & (1 << 30)) result = highProduct(result, 242);
  return result;
}

/** 1 / (1 + a) in Q0.31 for a in [0, 1), Q0.31: three Newton steps from 48/17 - 32/17 x. */
export function reciprocalOfOnePlus(a: i32): i32 {
  const half = <i32>((<i64>a + <i64>i32.MAX_VALUE + 1) >> 1);
  let x = 1515870810 + highProduct(half, -1010580540);
  for (let step = 0; step < 3; step++) {
    x += saturatingShiftLeft(highProduct(x, (1 << 29) - highProduct(half, x)), 2);
  }
  return saturatingShiftLeft(x, 1);
}
