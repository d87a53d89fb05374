/** Element steps of two broadcasting inputs over four dimensions, outermost first. */

// @ts-ignore: decorator
@inline
function extent(size: u32, mask: u8, dimension: i32): i32 {
  return (mask >> <u8>dimension) & 1 ? 1 : <i32>size;
}

/**
 * The offset of an input at the start of innermost row (i0, i1, i2): dimensions that it broadcasts along have
 * one element.
 */
// @ts-ignore: decorator
@inline
export function rowOffset(mask: u8, d1: u32, d2: u32, d3: u32, i0: i32, i1: i32, i2: i32): usize {
  const at0 = mask & 1 ? 0 : i0;
  const at1 = mask & 2 ? 0 : i1;
  const at2 = mask & 4 ? 0 : i2;
  return <usize>(((at0 * extent(d1, mask, 1) + at1) * extent(d2, mask, 2) + at2) * extent(d3, mask, 3));
}
