/**
 * x * multiplier * 2^(shift - 31): left shift in 32 bits, high product rounded with ties up, then a right
 * shift rounded with ties away from zero. Two roundings, as the chip's kernels do it; see docs/arithmetic.md.
 */
// @ts-ignore: decorator
@inline
export function requantize(x: i32, multiplier: i32, shift: i32): i32 {
  if (shift > 0) return highProduct(x << shift, multiplier);
  return roundingShiftRight(highProduct(x, multiplier), -shift);
}

/** The two-part form, less its least output, before the clamp; see `REQUANTIZATION` in src/plan/layout.ts. */
// @ts-ignore: decorator
@inline
export function twoPart(sum: i32, high: i32, low: i32, offset: i32, productShift: i32, outputShift: i32): i32 {
  return (sum * high + ((sum * low) >> productShift) + offset) >> outputShift;
}

/** floor((a * b + 2^30) / 2^31), for any a and b but both -2^31. */
// @ts-ignore: decorator
@inline
export function highProduct(a: i32, b: i32): i32 {
  return <i32>((<i64>a * <i64>b + (1 << 30)) >> 31);
}

/** x / 2^exponent, ties away from zero; exponent 0 … 31. */
// @ts-ignore: decorator
@inline
export function roundingShiftRight(x: i32, exponent: i32): i32 {
  const mask = <i32>((<u32>1 << exponent) - 1);
  const threshold = (mask >> 1) + i32(x < 0);
  return (x >> exponent) + i32((x & mask) > threshold);
}

// @ts-ignore: decorator
@inline
export function clamp(x: i32, low: i32, high: i32): i32 {
  return min(max(x, low), high);
}
