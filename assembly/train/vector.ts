/** Four float32 at a time, and the rest of a row. Addresses are bytes; `count` is in floats. */

// @ts-ignore: decorator
@inline
export const FLOAT: usize = 4;

/** acc + a * b, rounded twice (there is no fused form without relaxed SIMD). */
// @ts-ignore: decorator
@inline
export function multiplyAdd(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b));
}

/** The first `count` (1 … 4) floats; reads nothing beyond them, zeros take their place. */
// @ts-ignore: decorator
@inline
export function loadPart(address: usize, count: i32): v128 {
  if (count >= 4) return v128.load(address);
  if (count == 3) return v128.load_lane<f32>(address, v128.load_zero<f64>(address), 2, 8);
  if (count == 2) return v128.load_zero<f64>(address);
  return v128.load_zero<f32>(address);
}

/** Writes the first `count` (1 … 4) floats and nothing beyond them. */
// @ts-ignore: decorator
@inline
export function storePart(address: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(address, value);
    return;
  }
  if (count == 1) {
    v128.store_lane<f32>(address, value, 0);
    return;
  }
  v128.store_lane<f64>(address, value, 0);
  if (count == 3) v128.store_lane<f32>(address, value, 2, 8);
}
