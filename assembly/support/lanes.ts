/**
 * The matrix product for channels that blocks of eight leave over (SIMD): the lanes are four pixels here, and a channel
 * costs what it would in a whole block.
 */
import { BIAS, CHANNELS, floatOfOne } from "./channels";
import { addDot } from "./dot";

/** Channels at a time: five would take as long as the eight of a block. */
const MOST: i32 = 4;
const PAIR_BYTES: usize = 32;

/** Whether a block of so many channels that are not in another is better done this way. */
// @ts-ignore: decorator
@inline
export function isLeftOver(fresh: i32, channels: i32): bool {
  return fresh <= MOST || channels < CHANNELS;
}

/**
 * `count` (1 … 7) channels of groups of four pixels, [pairs][4][2] int16, from `at` to `end`. `block` and `weights` lie at
 * those of the first channel of a block of form FLOAT. The last pixel's outputs lie at `last`; a last group that is not
 * whole ends with copies of it.
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
  if (count > MOST) {
    lanes(3, at, end, group, block, weights, endWeights, out, stride, last);
    count -= 3;
    block += 12;
    weights += 12;
    endWeights += 12;
    out += 3;
    last += 3;
  }
  if (count == 1) lanes(1, at, end, group, block, weights, endWeights, out, stride, last);
  else if (count == 2) lanes(2, at, end, group, block, weights, endWeights, out, stride, last);
  else if (count == 3) lanes(3, at, end, group, block, weights, endWeights, out, stride, last);
  else lanes(4, at, end, group, block, weights, endWeights, out, stride, last);
}

/** `n` is a constant. */
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
  for (; at < end; at += group) {
    let a = v128.load_splat<i32>(block, BIAS), b = a, c = a, d = a;
    if (n > 1) b = v128.load_splat<i32>(block, BIAS + 4);
    if (n > 2) c = v128.load_splat<i32>(block, BIAS + 8);
    if (n > 3) d = v128.load_splat<i32>(block, BIAS + 12);
    let four = at;
    for (let w = weights; w < endWeights; w += PAIR_BYTES) {
      const x = v128.load(four);
      a = addDot(a, x, v128.load_splat<i32>(w));
      if (n > 1) b = addDot(b, x, v128.load_splat<i32>(w, 4));
      if (n > 2) c = addDot(c, x, v128.load_splat<i32>(w, 8));
      if (n > 3) d = addDot(d, x, v128.load_splat<i32>(w, 12));
      four += 16;
    }
    const out1 = min(out + stride, last), out2 = min(out1 + stride, last), out3 = min(out2 + stride, last);
    // Four bytes of a channel after those of another, then of a pixel.
    a = floatOfOne(a, block);
    if (n > 1) b = floatOfOne(b, block + 4);
    if (n > 2) c = floatOfOne(c, block + 8);
    if (n > 3) d = floatOfOne(d, block + 12);
    const ab = i16x8.narrow_i32x4_s(a, b);
    const bytes = i8x16.narrow_i16x8_s(ab, n > 2 ? i16x8.narrow_i32x4_s(c, d) : ab);
    if (n == 1) {
      storeBytes(bytes, out, out1, out2, out3);
    } else {
      const turned = v128.shuffle<i8>(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
      if (n == 4) {
        v128.store_lane<i32>(out, turned, 0);
        v128.store_lane<i32>(out1, turned, 1);
        v128.store_lane<i32>(out2, turned, 2);
        v128.store_lane<i32>(out3, turned, 3);
      } else {
        v128.store_lane<i16>(out, turned, 0);
        v128.store_lane<i16>(out1, turned, 2);
        v128.store_lane<i16>(out2, turned, 4);
        v128.store_lane<i16>(out3, turned, 6);
        if (n == 3) storeBytes(v128.shuffle<i64>(bytes, bytes, 1, 1), out + 2, out1 + 2, out2 + 2, out3 + 2);
      }
    }
    out = out3 + stride;
  }
}

/** The first byte, the second …, each to a pixel. */
// @ts-ignore: decorator
@inline
function storeBytes(bytes: v128, out0: usize, out1: usize, out2: usize, out3: usize): void {
  v128.store_lane<i8>(out0, bytes, 0);
  v128.store_lane<i8>(out1, bytes, 1);
  v128.store_lane<i8>(out2, bytes, 2);
  v128.store_lane<i8>(out3, bytes, 3);
}
