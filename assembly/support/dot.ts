/** Adds to four sums the products of eight pairs of int16, two to each. */
// @ts-ignore: decorator
@inline
export function addDot(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}
