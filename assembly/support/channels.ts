/**
 * Per-channel requantisation eight channels at a time (SIMD). A block holds for eight channels what the
 * kernels need, widened to int32 and padded with zeros past the last channel:
 *
 *   0 whether the plain form is needed   16 bias   48 multiplier   80 2^(30 - right shift)   112 shift
 */
import { requantize } from "./requantize";

export const CHANNELS: i32 = 8;
export const BLOCK_BYTES: usize = 144;
const BIAS: usize = 16;
const MULTIPLIER: usize = 48;
const SCALE: usize = 80;
const SHIFT: usize = 112;

/** Fills the block of channels [first, first + 8) of `channels`. `step` 0 uses one multiplier for all. */
export function packBlock(
  block: usize,
  first: i32,
  channels: i32,
  bias: usize,
  multipliers: usize,
  shifts: usize,
  step: usize,
): void {
  memory.fill(block, 0, BLOCK_BYTES);
  for (let i = 0; i < min(CHANNELS, channels - first); i++) {
    const c = <usize>(first + i);
    const at = block + (<usize>i << 2);
    const shift = <i32>load<i8>(shifts + c * step);
    store<i32>(at, load<i32>(bias + (c << 2)), BIAS);
    store<i32>(at, load<i32>(multipliers + ((c * step) << 2)), MULTIPLIER);
    store<i32>(at, shift, SHIFT);
    if (isPlain(shift)) store<i32>(block, 1);
    else store<i32>(at, 1 << (30 + shift), SCALE);
  }
}

/** Whether a shift is outside what the vector form can do: a left shift, or by 31 to the right. */
// @ts-ignore: decorator
@inline
export function isPlain(shift: i32): bool {
  return shift > 0 || shift < -30;
}

// @ts-ignore: decorator
@inline
export function biasLow(block: usize): v128 {
  return v128.load(block, BIAS);
}

// @ts-ignore: decorator
@inline
export function biasHigh(block: usize): v128 {
  return v128.load(block, BIAS + 16);
}

/**
 * Four accumulators, requantized exactly. `scale` is 2^(30 - e) for a right shift by e: the second rounding
 * is a 64-bit product, half added, one less below zero (ties away from zero), and the same shift in all lanes.
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

/** Eight accumulators of a block's channels to eight int8 in the low half. */
// @ts-ignore: decorator
@inline
export function requantizeBlock(
  low: v128,
  high: v128,
  block: usize,
  zeroPoint: v128,
  activationMin: v128,
  activationMax: v128,
): v128 {
  if (load<i32>(block)) {
    low = plainLanes(low, block);
    high = plainLanes(high, block + 16);
  } else {
    low = requantizeLanes(low, v128.load(block, MULTIPLIER), v128.load(block, SCALE));
    high = requantizeLanes(high, v128.load(block, MULTIPLIER + 16), v128.load(block, SCALE + 16));
  }
  return narrow(i32x4.add(low, zeroPoint), i32x4.add(high, zeroPoint), activationMin, activationMax);
}

/** Eight int32 to int8, clamped. */
// @ts-ignore: decorator
@inline
export function narrow(low: v128, high: v128, activationMin: v128, activationMax: v128): v128 {
  const words = i16x8.narrow_i32x4_s(low, high);
  return i8x16.min_s(i8x16.max_s(i8x16.narrow_i16x8_s(words, words), activationMin), activationMax);
}

function plainLanes(acc: v128, block: usize): v128 {
  const a = requantize(i32x4.extract_lane(acc, 0), load<i32>(block, MULTIPLIER), load<i32>(block, SHIFT));
  const b = requantize(i32x4.extract_lane(acc, 1), load<i32>(block, MULTIPLIER + 4), load<i32>(block, SHIFT + 4));
  const c = requantize(i32x4.extract_lane(acc, 2), load<i32>(block, MULTIPLIER + 8), load<i32>(block, SHIFT + 8));
  const d = requantize(i32x4.extract_lane(acc, 3), load<i32>(block, MULTIPLIER + 12), load<i32>(block, SHIFT + 12));
  return i32x4(a, b, c, d);
}

/** The first `count` (1 … 8) bytes of a vector; never a byte more: the arena has neighbours. */
// @ts-ignore: decorator
@inline
export function storeBytes(address: usize, bytes: v128, count: i32): void {
  if (count >= 8) {
    v128.store_lane<i64>(address, bytes, 0);
    return;
  }
  let rest = <u64>i64x2.extract_lane(bytes, 0);
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
