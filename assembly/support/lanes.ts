/**
 * The matrix product for channels that blocks of eight leave over (SIMD): the lanes are four pixels here, and a channel
 * costs what it would in a whole block.
 */
import { BIAS, floatOfOne } from "./channels";
import { addDot } from "./dot";

/** So many channels at most: the sums of six for two groups of pixels take more registers than there are. */
export const MOST: i32 = 5;
const PAIR_BYTES: usize = 32;

/**
 * `count` (1 … MOST) channels of groups of four pixels, [pairs][4][2] int16 and `group` bytes each, from `at` to `end`.
 * `block` and `weights` lie at those of the first channel of a block of form FLOAT. Outputs lie `stride` bytes apart, those
 * of the last pixel at `last`; a last group that is not whole ends with copies of it. Pixel after pixel four or, for five
 * channels, eight bytes are written.
 */
export function multiplyLanes(
  count: i32,
  at: usize,
  end: usize,
  group: usize,
  block: usize,
  weights: usize,
  endWeights: usize,
  out: usize,
  stride: usize,
  last: usize,
): void {
  // As a chain of ifs, wasm-opt would make one loop for two counts, which looks at the count all the time.
  switch (count) {
    case 1:
      lanes(1, at, end, group, block, weights, endWeights, out, stride, last);
      break;
    case 2:
      lanes(2, at, end, group, block, weights, endWeights, out, stride, last);
      break;
    case 3:
      lanes(3, at, end, group, block, weights, endWeights, out, stride, last);
      break;
    case 4:
      lanes(4, at, end, group, block, weights, endWeights, out, stride, last);
      break;
    case 5:
      lanes(5, at, end, group, block, weights, endWeights, out, stride, last);
      break;
  }
}

// @ts-ignore: decorator
@inline
function lanes(
  n: i32,
  at: usize,
  end: usize,
  group: usize,
  block: usize,
  weights: usize,
  endWeights: usize,
  out: usize,
  stride: usize,
  last: usize,
): void {
  for (; at + group < end; at += 2 * group) {
    multiply(n, true, at, group, block, weights, endWeights, out, stride, last);
    out += 8 * stride;
  }
  if (at < end) multiply(n, false, at, group, block, weights, endWeights, out, stride, last);
}

/** `n` channels of one group, or of two, which share what is loaded of the weights. `n` and `isTwo` are constants. */
// @ts-ignore: decorator
@inline
function multiply(
  n: i32,
  isTwo: bool,
  at: usize,
  group: usize,
  block: usize,
  weights: usize,
  endWeights: usize,
  out: usize,
  stride: usize,
  last: usize,
): void {
  let a0 = v128.load_splat<i32>(block, BIAS), b0 = a0, c0 = a0, d0 = a0, e0 = a0;
  if (n > 1) b0 = v128.load_splat<i32>(block, BIAS + 4);
  if (n > 2) c0 = v128.load_splat<i32>(block, BIAS + 8);
  if (n > 3) d0 = v128.load_splat<i32>(block, BIAS + 12);
  if (n > 4) e0 = v128.load_splat<i32>(block, BIAS + 16);
  let a1 = a0, b1 = b0, c1 = c0, d1 = d0, e1 = e0;
  let four0 = at, four1 = at + group;
  for (let pair = weights; pair < endWeights; pair += PAIR_BYTES) {
    const x0 = v128.load(four0), x1 = isTwo ? v128.load(four1) : x0;
    let w = v128.load_splat<i32>(pair);
    a0 = addDot(a0, x0, w);
    if (isTwo) a1 = addDot(a1, x1, w);
    if (n > 1) {
      w = v128.load_splat<i32>(pair, 4);
      b0 = addDot(b0, x0, w);
      if (isTwo) b1 = addDot(b1, x1, w);
    }
    if (n > 2) {
      w = v128.load_splat<i32>(pair, 8);
      c0 = addDot(c0, x0, w);
      if (isTwo) c1 = addDot(c1, x1, w);
    }
    if (n > 3) {
      w = v128.load_splat<i32>(pair, 12);
      d0 = addDot(d0, x0, w);
      if (isTwo) d1 = addDot(d1, x1, w);
    }
    if (n > 4) {
      w = v128.load_splat<i32>(pair, 16);
      e0 = addDot(e0, x0, w);
      if (isTwo) e1 = addDot(e1, x1, w);
    }
    four0 += 16;
    four1 += 16;
  }
  store(n, a0, b0, c0, d0, e0, block, out, stride, last);
  if (isTwo) store(n, a1, b1, c1, d1, e1, block, out + 4 * stride, stride, last);
}

/** Requantises the sums of `n` channels of four pixels; pixels behind the last one are copies of it. */
// @ts-ignore: decorator
@inline
function store(
  n: i32,
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  e: v128,
  block: usize,
  out0: usize,
  stride: usize,
  last: usize,
): void {
  let out1 = out0 + stride, out2 = out1 + stride, out3 = out2 + stride;
  if (out3 > last) {
    out1 = min(out1, last);
    out2 = min(out2, last);
    out3 = last;
  }
  a = floatOfOne(a, block);
  if (n > 1) b = floatOfOne(b, block + 4);
  if (n > 2) c = floatOfOne(c, block + 8);
  if (n > 3) d = floatOfOne(d, block + 12);
  const abcd = turned(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  if (n < 5) {
    v128.store_lane<i32>(out0, abcd, 0);
    v128.store_lane<i32>(out1, abcd, 1);
    v128.store_lane<i32>(out2, abcd, 2);
    v128.store_lane<i32>(out3, abcd, 3);
    return;
  }
  e = floatOfOne(e, block + 16);
  e = i16x8.narrow_i32x4_s(e, e);
  e = turned(e, e);
  const first = v128.shuffle<i32>(abcd, e, 0, 4, 1, 5), second = v128.shuffle<i32>(abcd, e, 2, 6, 3, 7);
  v128.store_lane<i64>(out0, first, 0);
  v128.store_lane<i64>(out1, first, 1);
  v128.store_lane<i64>(out2, second, 0);
  v128.store_lane<i64>(out3, second, 1);
}

/** int16 of four channels of four pixels each as int8, in the order of pixels. */
// @ts-ignore: decorator
@inline
function turned(ab: v128, cd: v128): v128 {
  return i8x16.swizzle(i8x16.narrow_i16x8_s(ab, cd), i8x16(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
}
