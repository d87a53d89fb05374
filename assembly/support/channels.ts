/**
 * Requantisation eight channels at a time (SIMD). A block holds for eight channels what the form needs that was
 * proven for all of them (see `solve.ts`, `pack_block.ts`), padded with zeros past the last channel:
 *
 *     0 form as stored; product shift, output shift, least output for TWO_PART; bits of channels for MIXED
 *    16 bias (less the origin)   48 scale, multiplier or high factor   80 offset or 2^(30 - right shift)
 *   112 offset below zero less offset, shift or low factor
 */
import { requantize } from "./requantize";
import { FLOAT, FLOAT_SIGN, INTEGER, ROUNDER, TWO_PART } from "./solve";

export const CHANNELS: i32 = 8;
export const BLOCK_BYTES: usize = 144;
export const BIAS: usize = 16;
export const SCALE: usize = 48;
export const OFFSET: usize = 80;
export const EXTRA: usize = 112;

/** FLOAT as stored where the least and the largest output are not those of int8, at which vectors saturate anyhow. */
export const FLOAT_CLAMPED: i32 = 5;
export const FLOAT_SIGN_CLAMPED: i32 = 6;
/**
 * FLOAT_SIGN as stored where it is not proven for some of eight channels: bits of the second word of the block. Those have
 * a multiplier and a shift, and are done again one by one.
 */
export const MIXED: i32 = 7;

/** The first channel of the block that holds channel `first`: whole blocks, the last of them over its neighbour. */
// @ts-ignore: decorator
@inline
export function blockStart(first: i32, channels: i32): i32 {
  return max(0, min(first, channels - CHANNELS));
}

/** Whether a shift is outside what the INTEGER form can do: a left shift, or by 31 to the right. */
// @ts-ignore: decorator
@inline
export function isPlain(shift: i32): bool {
  return shift > 0 || shift < -30;
}

/** Where the outputs go, and what all channels have in common. */
// @ts-ignore: decorator
@unmanaged
export class Target {
  /** Bytes from one output pixel to the next. */
  stride: i32;
  channels: i32;
  zeroPoint: i32;
  low: i32;
  high: i32;
  /** Bytes from an output row to the next, where a kernel does two at a time. */
  row: i32;
}

export const target = changetype<Target>(memory.data(offsetof<Target>()));

export function setTarget(stride: i32, channels: i32, zeroPoint: i32, low: i32, high: i32): void {
  target.stride = stride;
  target.channels = channels;
  target.zeroPoint = zeroPoint;
  target.low = low;
  target.high = high;
}

/** The first or, 16 bytes on, the last four channels' bias. */
// @ts-ignore: decorator
@inline
export function biasAt(block: usize): v128 {
  return v128.load(block, BIAS);
}

// @ts-ignore: decorator
@inline
export function biasLow(block: usize): v128 {
  return biasAt(block);
}

// @ts-ignore: decorator
@inline
export function biasHigh(block: usize): v128 {
  return biasAt(block + 16);
}

/**
 * Four accumulators, requantized exactly in integers. `scale` is 2^(30 - e) for a right shift by e: the second
 * rounding is a 64-bit product, half added, one less below zero (ties away from zero), and the same shift in all
 * lanes.
 */
// @ts-ignore: decorator
@inline
export function requantizeLanes(acc: v128, multiplier: v128, scale: v128): v128 {
  const half = i64x2.splat(1 << 30);
  // The low 32 bits are kept, so a logical shift serves; it is the faster one on x86.
  let low = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_s(acc, multiplier), half), 31);
  let high = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_s(acc, multiplier), half), 31);
  const product = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const below = i32x4.shr_s(product, 31);
  const quarter = i64x2.splat(1 << 29);
  low = i64x2.add(i64x2.extmul_low_i32x4_s(product, scale), i64x2.add(i64x2.extend_low_i32x4_s(below), quarter));
  high = i64x2.add(i64x2.extmul_high_i32x4_s(product, scale), i64x2.add(i64x2.extend_high_i32x4_s(below), quarter));
  return v128.shuffle<i32>(i64x2.shr_u(low, 30), i64x2.shr_u(high, 30), 0, 2, 4, 6);
}

/** Rounds float32 to int32, for |x| < 2^22. */
// @ts-ignore: decorator
@inline
export function roundLanes(x: v128): v128 {
  return i32x4.sub(f32x4.add(x, f32x4.splat(ROUNDER)), i32x4.splat(reinterpret<i32>(ROUNDER)));
}

// @ts-ignore: decorator
@inline
function floatLanes(acc: v128, block: usize): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(acc), v128.load(block, SCALE));
  return roundLanes(f32x4.add(product, v128.load(block, OFFSET)));
}

// @ts-ignore: decorator
@inline
function floatSignLanes(acc: v128, block: usize): v128 {
  const below = v128.and(i32x4.shr_s(acc, 31), v128.load(block, EXTRA));
  const product = f32x4.mul(f32x4.convert_i32x4_s(acc), v128.load(block, SCALE));
  return roundLanes(f32x4.add(product, f32x4.add(v128.load(block, OFFSET), below)));
}

/** Four sums, by the constants of four channels and the shifts of their block. */
function twoPartLanes(sum: v128, channels: usize, block: usize): v128 {
  const fine = i32x4.shr_s(i32x4.mul(sum, v128.load(channels, EXTRA)), load<i32>(block, 4));
  const value = i32x4.add(i32x4.add(i32x4.mul(sum, v128.load(channels, SCALE)), fine), v128.load(channels, OFFSET));
  return i32x4.add(i32x4.shr_s(value, load<i32>(block, 8)), i32x4.splat(load<i32>(block, 12)));
}

/** Eight accumulators of a block's channels to eight int8 in the low half, by any form. */
function requantizeOther(low: v128, high: v128, block: usize): v128 {
  const form = load<i32>(block);
  if (form == FLOAT || form == FLOAT_CLAMPED) {
    low = floatLanes(low, block);
    high = floatLanes(high, block + 16);
  } else if (form == FLOAT_SIGN || form == FLOAT_SIGN_CLAMPED) {
    low = floatSignLanes(low, block);
    high = floatSignLanes(high, block + 16);
  } else if (form == TWO_PART) {
    low = twoPartLanes(low, block, block);
    high = twoPartLanes(high, block + 16, block);
  } else {
    const zeroPoint = i32x4.splat(target.zeroPoint);
    if (form == INTEGER) {
      low = requantizeLanes(low, v128.load(block, SCALE), v128.load(block, OFFSET));
      high = requantizeLanes(high, v128.load(block, SCALE + 16), v128.load(block, OFFSET + 16));
    } else {
      low = plainLanes(low, block);
      high = plainLanes(high, block + 16);
    }
    low = i32x4.add(low, zeroPoint);
    high = i32x4.add(high, zeroPoint);
  }
  return narrow(low, high, i8x16.splat(<i8>target.low), i8x16.splat(<i8>target.high));
}

/** Whether a block is of the form that needs no clamp. */
// @ts-ignore: decorator
@inline
export function isFloat(block: usize): bool {
  return load<i32>(block) == FLOAT;
}

/** The same, and whether it has eight channels to be stored. */
// @ts-ignore: decorator
@inline
export function isQuick(block: usize, count: i32): bool {
  return isFloat(block) && count >= CHANNELS;
}

/** Accumulators of one channel, whose constants lie at `block`. */
// @ts-ignore: decorator
@inline
export function floatOfOne(acc: v128, block: usize): v128 {
  const product = f32x4.mul(f32x4.convert_i32x4_s(acc), v128.load_splat<f32>(block, SCALE));
  return roundLanes(f32x4.add(product, v128.load_splat<f32>(block, OFFSET)));
}

// @ts-ignore: decorator
@inline
function floatWords(low: v128, high: v128, block: usize): v128 {
  return i16x8.narrow_i32x4_s(floatLanes(low, block), floatLanes(high, block + 16));
}

// @ts-ignore: decorator
@inline
function signWords(low: v128, high: v128, block: usize): v128 {
  return i16x8.narrow_i32x4_s(floatSignLanes(low, block), floatSignLanes(high, block + 16));
}

/** The accumulators of two pixels, by a block that is quick or, for `isSigned`, of form FLOAT_SIGN, to eight int8 each. */
// @ts-ignore: decorator
@inline
export function storeTwo(
  low0: v128,
  high0: v128,
  low1: v128,
  high1: v128,
  block: usize,
  out0: usize,
  out1: usize,
  isSigned: bool = false,
): void {
  const words0 = isSigned ? signWords(low0, high0, block) : floatWords(low0, high0, block);
  const words1 = isSigned ? signWords(low1, high1, block) : floatWords(low1, high1, block);
  const bytes = i8x16.narrow_i16x8_s(words0, words1);
  v128.store_lane<i64>(out0, bytes, 0);
  v128.store_lane<i64>(out1, bytes, 1);
}

/** The accumulators of four channels of four pixels, by the constants at `block` for them, to int8. */
// @ts-ignore: decorator
@inline
export function storeQuarters(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  block: usize,
  out0: usize,
  out1: usize,
  out2: usize,
  out3: usize,
): void {
  const first = i16x8.narrow_i32x4_s(floatLanes(a, block), floatLanes(b, block));
  const bytes = i8x16.narrow_i16x8_s(first, i16x8.narrow_i32x4_s(floatLanes(c, block), floatLanes(d, block)));
  v128.store_lane<i32>(out0, bytes, 0);
  v128.store_lane<i32>(out1, bytes, 1);
  v128.store_lane<i32>(out2, bytes, 2);
  v128.store_lane<i32>(out3, bytes, 3);
}

/** The accumulators of four pixels, by any block; `isQuick` of it is known. */
// @ts-ignore: decorator
@inline
export function storeFour(
  a0: v128,
  a1: v128,
  b0: v128,
  b1: v128,
  c0: v128,
  c1: v128,
  d0: v128,
  d1: v128,
  block: usize,
  quick: bool,
  out0: usize,
  out1: usize,
  out2: usize,
  out3: usize,
  count: i32,
): void {
  if (quick) {
    storeTwo(a0, a1, b0, b1, block, out0, out1);
    storeTwo(c0, c1, d0, d1, block, out2, out3);
  } else if (load<i32>(block) == FLOAT_SIGN && count >= CHANNELS) {
    storeTwo(a0, a1, b0, b1, block, out0, out1, true);
    storeTwo(c0, c1, d0, d1, block, out2, out3, true);
  } else {
    keep(0, a0, a1);
    keep(1, b0, b1);
    keep(2, c0, c1);
    keep(3, d0, d1);
    storeKept(block, out0, out1, out2, out3, count);
  }
}

/** The accumulators of one pixel, by any block, to as many int8 as the block has channels; `target` is set. */
// @ts-ignore: decorator
@inline
export function storeOne(low: v128, high: v128, block: usize, out: usize, count: i32): void {
  if (isQuick(block, count)) {
    const words = floatWords(low, high, block);
    v128.store_lane<i64>(out, i8x16.narrow_i16x8_s(words, words), 0);
  } else {
    keep(0, low, high);
    storeKeptOne(block, out, count);
  }
}

function storeKeptOne(block: usize, out: usize, count: i32): void {
  if (load<i32>(block) == MIXED) {
    const words = keptWords(0, block);
    v128.store_lane<i64>(out, i8x16.narrow_i16x8_s(words, words), 0);
    storeExact(block, 0, out);
  } else {
    storeOther(v128.load(kept), v128.load(kept, 16), block, out, count);
  }
}

/** The channels of a kept pixel that a MIXED block has to have done one by one. */
function storeExact(block: usize, pixel: usize, out: usize): void {
  for (let bits = load<i32>(block, 4); bits != 0; bits &= bits - 1) {
    const c = <usize>ctz(bits);
    const at = block + (c << 2);
    const value = target.zeroPoint + requantize(load<i32>(kept + pixel * 32 + (c << 2)), load<i32>(at, SCALE), load<i32>(at, EXTRA));
    store<i8>(out + c, <i8>min(max(value, -128), 127));
  }
}

function storeOther(low: v128, high: v128, block: usize, out: usize, count: i32): void {
  storeBytes(out, requantizeOther(low, high, block), count);
}

/** The accumulators of four pixels: through memory, so that a call that is hardly ever made costs loops no registers. */
export const kept = memory.data(128, 16);

// @ts-ignore: decorator
@inline
export function keep(pixel: usize, low: v128, high: v128): void {
  v128.store(kept + pixel * 32, low);
  v128.store(kept + pixel * 32, high, 16);
}

// @ts-ignore: decorator
@inline
function keptWords(pixel: usize, block: usize): v128 {
  const at = kept + pixel * 32;
  return signWords(v128.load(at), v128.load(at, 16), block);
}

export function storeKept(block: usize, out0: usize, out1: usize, out2: usize, out3: usize, count: i32): void {
  const form = load<i32>(block);
  if (form == FLOAT_SIGN || form == FLOAT || form == MIXED) {
    // With FLOAT the addend is zero.
    const first = i8x16.narrow_i16x8_s(keptWords(0, block), keptWords(1, block));
    const second = i8x16.narrow_i16x8_s(keptWords(2, block), keptWords(3, block));
    if (count >= CHANNELS) {
      v128.store_lane<i64>(out0, first, 0);
      v128.store_lane<i64>(out1, first, 1);
      v128.store_lane<i64>(out2, second, 0);
      v128.store_lane<i64>(out3, second, 1);
      if (form == MIXED) {
        storeExact(block, 0, out0);
        storeExact(block, 1, out1);
        storeExact(block, 2, out2);
        storeExact(block, 3, out3);
      }
    } else {
      storeSome(out0, <u64>i64x2.extract_lane(first, 0), count);
      storeSome(out1, <u64>i64x2.extract_lane(first, 1), count);
      storeSome(out2, <u64>i64x2.extract_lane(second, 0), count);
      storeSome(out3, <u64>i64x2.extract_lane(second, 1), count);
    }
    return;
  }
  storeOther(v128.load(kept), v128.load(kept, 16), block, out0, count);
  storeOther(v128.load(kept, 32), v128.load(kept, 48), block, out1, count);
  storeOther(v128.load(kept, 64), v128.load(kept, 80), block, out2, count);
  storeOther(v128.load(kept, 96), v128.load(kept, 112), block, out3, count);
}

/** Eight int32 to int8, clamped. */
// @ts-ignore: decorator
@inline
export function narrow(low: v128, high: v128, activationMin: v128, activationMax: v128): v128 {
  const words = i16x8.narrow_i32x4_s(low, high);
  return i8x16.min_s(i8x16.max_s(i8x16.narrow_i16x8_s(words, words), activationMin), activationMax);
}

function plainLanes(acc: v128, block: usize): v128 {
  const a = requantize(i32x4.extract_lane(acc, 0), load<i32>(block, SCALE), load<i32>(block, EXTRA));
  const b = requantize(i32x4.extract_lane(acc, 1), load<i32>(block, SCALE + 4), load<i32>(block, EXTRA + 4));
  const c = requantize(i32x4.extract_lane(acc, 2), load<i32>(block, SCALE + 8), load<i32>(block, EXTRA + 8));
  const d = requantize(i32x4.extract_lane(acc, 3), load<i32>(block, SCALE + 12), load<i32>(block, EXTRA + 12));
  return i32x4(a, b, c, d);
}

/** The first `count` (1 … 8) bytes of a vector; never a byte more: the arena has neighbours. */
// @ts-ignore: decorator
@inline
export function storeBytes(address: usize, bytes: v128, count: i32): void {
  if (count >= 8) v128.store_lane<i64>(address, bytes, 0);
  else storeSome(address, <u64>i64x2.extract_lane(bytes, 0), count);
}

function storeSome(address: usize, rest: u64, count: i32): void {
  if (count & 4) {
    store<u32>(address, <u32>rest);
    address += 4;
    rest >>= 32;
  }
  if (count & 2) {
    store<u16>(address, <u16>rest);
    address += 2;
    rest >>= 16;
  }
  if (count & 1) store<u8>(address, <u8>rest);
}
