/**
 * Requantisation eight channels at a time (SIMD). A block holds for eight channels what the form needs that was
 * proven for all of them (see `solve.ts`), padded with zeros past the last channel:
 *
 *     0 form as stored, product shift, output shift, least output (the last three for TWO_PART only)
 *    16 bias (less the origin)   48 scale, multiplier or high factor   80 offset or 2^(30 - right shift)
 *   112 offset below zero less offset, shift or low factor
 */
import { Requantization } from "./records";
import {
  biasOf,
  highFactorOf,
  isTwoPart,
  lowFactorOf,
  multiplierOf,
  offsetOf,
  shiftOf,
  startOf,
} from "./requantization";
import { requantize } from "./requantize";
import {
  Channel,
  FLOAT,
  FLOAT_SIGN,
  INTEGER,
  PLAIN,
  ROUNDER,
  Solution,
  solveFloat,
  solveFloatSign,
  TWO_PART,
} from "./solve";

export const CHANNELS: i32 = 8;
export const BLOCK_BYTES: usize = 144;
const BIAS: usize = 16;
const SCALE: usize = 48;
const OFFSET: usize = 80;
const EXTRA: usize = 112;

/** FLOAT as stored where the least and the largest output are not those of int8, at which vectors saturate anyhow. */
const FLOAT_CLAMPED: i32 = 5;
const FLOAT_SIGN_CLAMPED: i32 = 6;

/** How many channels each form was chosen for, since the module was instantiated: u32 by form. */
export const formCounts = memory.data(20);

const channel = changetype<Channel>(memory.data(offsetof<Channel>()));
const solution = changetype<Solution>(memory.data(offsetof<Solution>()));

/** What all channels of an operator have in common. */
// @ts-ignore: decorator
@unmanaged
export class Tables {
  requantization: Requantization;
  zeroPoint: i32;
  low: i32;
  high: i32;
}

export const tables = changetype<Tables>(memory.data(offsetof<Tables>()));

export function setTables(requantization: usize, zeroPoint: i32, low: i32, high: i32): void {
  tables.requantization = changetype<Requantization>(requantization);
  tables.zeroPoint = zeroPoint;
  tables.low = low;
  tables.high = high;
}

/** What is known of a channel's weights, and of its sum with any int8 input. */
// @ts-ignore: decorator
@unmanaged
class Sum {
  /** The range of sum(x * w). */
  low: i32;
  high: i32;
  weights: i32;
}

const sums = memory.data(8 * 12);

// @ts-ignore: decorator
@inline
function sumAt(i: i32): Sum {
  return changetype<Sum>(sums + <usize>i * offsetof<Sum>());
}

/** Sets what is known of channel i of a block from its weights, `stride` bytes apart. */
export function setSumRange(i: i32, weights: usize, count: i32, stride: usize, weightsZeroPoint: i32): void {
  const s = sumAt(i);
  s.low = 0;
  s.high = 0;
  s.weights = 0;
  widenSumRange(i, weights, count, stride, weightsZeroPoint);
}

/** The same with more weights of the channel. */
export function widenSumRange(i: i32, weights: usize, count: i32, stride: usize, weightsZeroPoint: i32): void {
  const s = sumAt(i);
  let low = s.low, high = s.high, sum = s.weights;
  for (let k = 0; k < count; k++) {
    const w = <i32>load<i8>(weights) - weightsZeroPoint;
    low += w > 0 ? w * -128 : w * 127;
    high += w > 0 ? w * 127 : w * -128;
    sum += w;
    weights += stride;
  }
  s.low = low;
  s.high = high;
  s.weights = sum;
}

/** Fills `channel`; false where an accumulator could leave int32. */
function setChannel(i: i32, c: i32): bool {
  const t = tables.requantization;
  const sum = sumAt(i);
  const start = <i64>startOf(t, c, sum.weights);
  const low = start + sum.low, high = start + sum.high;
  channel.isTwoPart = isTwoPart(t);
  channel.low = tables.low;
  channel.high = tables.high;
  channel.accMin = <i32>low;
  channel.accMax = <i32>high;
  if (channel.isTwoPart) {
    channel.highFactor = highFactorOf(t, c);
    channel.lowFactor = lowFactorOf(t, c);
    channel.offset = offsetOf(t, c);
    channel.productShift = t.productShift;
    channel.outputShift = t.outputShift;
    return true;
  }
  channel.multiplier = multiplierOf(t, c);
  channel.shift = shiftOf(t, c);
  channel.zeroPoint = tables.zeroPoint;
  // The left shift must not wrap either.
  const limit = (<i64>1 << 31) >> max(channel.shift, 0);
  return low >= -limit && high < limit;
}

/** Whether a shift is outside what the INTEGER form can do: a left shift, or by 31 to the right. */
// @ts-ignore: decorator
@inline
export function isPlain(shift: i32): bool {
  return shift > 0 || shift < -30;
}

function tryFloat(block: usize, first: i32, count: i32, form: i32): bool {
  for (let i = 0; i < count; i++) {
    const c = first + i;
    const at = block + (<usize>i << 2);
    if (!setChannel(i, c)) return false;
    if (!(form == FLOAT ? solveFloat(channel, solution) : solveFloatSign(channel, solution))) return false;
    store<i32>(at, startOf(tables.requantization, c, sumAt(i).weights) - solution.origin, BIAS);
    store<f32>(at, solution.scale, SCALE);
    store<f32>(at, solution.offset, OFFSET);
    store<f32>(at, form == FLOAT ? 0.0 : solution.offset2 - solution.offset, EXTRA);
    // The offset below zero is put together again at run time: it must come out as it was proven.
    if (form == FLOAT_SIGN && solution.offset + (solution.offset2 - solution.offset) != solution.offset2) return false;
  }
  return true;
}

/** What always serves, by what the image has. */
function packIntegers(block: usize, first: i32, count: i32): i32 {
  const t = tables.requantization;
  let form = INTEGER;
  memory.fill(block, 0, BLOCK_BYTES);
  for (let i = 0; i < count; i++) {
    const c = first + i;
    const at = block + (<usize>i << 2);
    store<i32>(at, startOf(t, c, sumAt(i).weights), BIAS);
    if (isTwoPart(t)) {
      store<i32>(at, highFactorOf(t, c), SCALE);
      store<i32>(at, offsetOf(t, c), OFFSET);
      store<i32>(at, lowFactorOf(t, c), EXTRA);
    } else {
      const shift = shiftOf(t, c);
      store<i32>(at, multiplierOf(t, c), SCALE);
      store<i32>(at, isPlain(shift) ? 0 : 1 << (30 + shift), OFFSET);
      store<i32>(at, shift, EXTRA);
      if (isPlain(shift)) form = PLAIN;
    }
  }
  if (!isTwoPart(t)) return form;
  store<i32>(block, t.productShift, 4);
  store<i32>(block, t.outputShift, 8);
  store<i32>(block, tables.low, 12);
  return TWO_PART;
}

/** The first channel of the block that holds channel `first`: whole blocks, the last of them over its neighbour. */
// @ts-ignore: decorator
@inline
export function blockStart(first: i32, channels: i32): i32 {
  return max(0, min(first, channels - CHANNELS));
}

/**
 * Fills the block of channels [start, start + 8) by the cheapest form that is proven for all of them. `channels` is the
 * end of the channels, `counted` how many of them are new. `tables` and the sums of the channels are set.
 */
export function packBlock(block: usize, start: i32, channels: i32, counted: i32): void {
  const count = min(CHANNELS, channels - start);
  memory.fill(block, 0, BLOCK_BYTES);
  let form = FLOAT;
  while (form < INTEGER && !tryFloat(block, start, count, form)) form++;
  if (form >= INTEGER) form = packIntegers(block, start, count);
  const isWhole = tables.low == -128 && tables.high == 127;
  store<i32>(block, isWhole || form > FLOAT_SIGN ? form : form == FLOAT ? FLOAT_CLAMPED : FLOAT_SIGN_CLAMPED);
  const counter = formCounts + (<usize>form << 2);
  store<u32>(counter, load<u32>(counter) + counted);
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

/** Whether a block is of the form that needs no clamp, and has eight channels to be stored. */
// @ts-ignore: decorator
@inline
export function isQuick(block: usize, count: i32): bool {
  return load<i32>(block) == FLOAT && count >= CHANNELS;
}

// @ts-ignore: decorator
@inline
function floatWords(low: v128, high: v128, block: usize): v128 {
  return i16x8.narrow_i32x4_s(floatLanes(low, block), floatLanes(high, block + 16));
}

/** The accumulators of two pixels, by a block that is quick, to eight int8 each. */
// @ts-ignore: decorator
@inline
export function storeTwo(low0: v128, high0: v128, low1: v128, high1: v128, block: usize, out0: usize, out1: usize): void {
  const bytes = i8x16.narrow_i16x8_s(floatWords(low0, high0, block), floatWords(low1, high1, block));
  v128.store_lane<i64>(out0, bytes, 0);
  v128.store_lane<i64>(out1, bytes, 1);
}

/** The accumulators of four channels of three or four pixels, by the constants at `block` for them, to int8. */
// @ts-ignore: decorator
@inline
export function storeQuarters(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  block: usize,
  out: usize,
  stride: usize,
  four: bool,
): void {
  const first = i16x8.narrow_i32x4_s(floatLanes(a, block), floatLanes(b, block));
  const bytes = i8x16.narrow_i16x8_s(first, i16x8.narrow_i32x4_s(floatLanes(c, block), floatLanes(d, block)));
  v128.store_lane<i32>(out, bytes, 0);
  v128.store_lane<i32>(out + stride, bytes, 1);
  v128.store_lane<i32>(out + 2 * stride, bytes, 2);
  if (four) v128.store_lane<i32>(out + 3 * stride, bytes, 3);
}

/** The accumulators of one pixel, by any block, to as many int8 as the block has channels; `target` is set. */
// @ts-ignore: decorator
@inline
export function storeOne(low: v128, high: v128, block: usize, out: usize, count: i32): void {
  if (isQuick(block, count)) {
    const words = floatWords(low, high, block);
    v128.store_lane<i64>(out, i8x16.narrow_i16x8_s(words, words), 0);
  } else {
    storeOther(low, high, block, out, count);
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
  return i16x8.narrow_i32x4_s(floatSignLanes(v128.load(at), block), floatSignLanes(v128.load(at, 16), block + 16));
}

export function storeKept(block: usize, out0: usize, out1: usize, out2: usize, out3: usize, count: i32): void {
  if (load<i32>(block) == FLOAT_SIGN && count >= CHANNELS) {
    const first = i8x16.narrow_i16x8_s(keptWords(0, block), keptWords(1, block));
    v128.store_lane<i64>(out0, first, 0);
    v128.store_lane<i64>(out1, first, 1);
    const second = i8x16.narrow_i16x8_s(keptWords(2, block), keptWords(3, block));
    v128.store_lane<i64>(out2, second, 0);
    v128.store_lane<i64>(out3, second, 1);
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
