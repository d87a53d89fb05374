/**
 * Input rows of a depthwise convolution interleaved two by two (SIMD): int16 of eight channels with the padding put in,
 * so that one dot instruction does two taps of four channels; and the output rows that are made from them.
 */
import { BLOCK_BYTES, biasHigh, biasLow, requantizeBlock, storeBytes } from "./channels";
import { DepthwiseS8Record } from "./records";

/** Eight channels of two rows, as int16. */
export const PAIR_BYTES: usize = 32;

/** Eight bytes of zero point: what rows outside the picture are read from. */
const padding = memory.data(8);

// @ts-ignore: decorator
@inline
export function rowPairs(r: DepthwiseS8Record): i32 {
  return (<i32>r.kernelHeight + 1) >> 1;
}

// @ts-ignore: decorator
@inline
export function coveredWidth(r: DepthwiseS8Record): i32 {
  return (<i32>r.outputWidth - 1) * r.strideWidth + (<i32>r.kernelWidth - 1) * r.dilationWidth + 1;
}

// @ts-ignore: decorator
@inline
export function isThree(r: DepthwiseS8Record): bool {
  return r.kernelHeight == 3 && r.kernelWidth == 3 && r.dilationWidth == 1;
}

/** Whether four input rows, in two pairs, serve two output rows: an odd kernel that moves down by one. */
// @ts-ignore: decorator
@inline
export function sharesPairs(r: DepthwiseS8Record): bool {
  return isThree(r) && r.strideHeight == 1 && r.dilationHeight == 1;
}

// @ts-ignore: decorator
@inline
export function weightBytes(r: DepthwiseS8Record): usize {
  return <usize>(rowPairs(r) * r.kernelWidth) * PAIR_BYTES;
}

/**
 * Rows top, top + dilation, … of eight channels, two by two: for each pair the covered columns. The partner of an odd
 * last row is the row below it if `all`; else it meets zero weights, and any row will do.
 */
export function interleaveRows(r: DepthwiseS8Record, input: usize, top: i32, all: bool, target: usize): void {
  memory.fill(padding, r.inputZeroPoint, 8);
  const wide = i16x8.splat(r.inputZeroPoint);
  const channels = <usize>r.inputChannels;
  const rowBytes = <usize>r.inputWidth * channels;
  const height = <i32>r.inputHeight;
  const width = coveredWidth(r);
  const before = min(<i32>r.padLeft, width);
  const inside = max(0, min(<i32>r.inputWidth, width - before));
  for (let pair = 0; pair < rowPairs(r); pair++) {
    const y0 = top + 2 * pair * r.dilationHeight;
    const y1 = all || 2 * pair + 1 < <i32>r.kernelHeight ? y0 + r.dilationHeight : y0;
    for (let x = 0; x < before; x++) {
      v128.store(target, wide);
      v128.store(target, wide, 16);
      target += PAIR_BYTES;
    }
    let from0 = padding, from1 = padding;
    let step0: usize = 0, step1: usize = 0;
    if (y0 >= 0 && y0 < height) {
      from0 = input + <usize>y0 * rowBytes;
      step0 = channels;
    }
    if (y1 >= 0 && y1 < height) {
      from1 = input + <usize>y1 * rowBytes;
      step1 = channels;
    }
    for (let x = 0; x < inside; x++) {
      const a = v128.load_zero<i64>(from0);
      const b = v128.load_zero<i64>(from1);
      const both = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      v128.store(target, i16x8.extend_low_i8x16_s(both));
      v128.store(target, i16x8.extend_high_i8x16_s(both), 16);
      from0 += step0;
      from1 += step1;
      target += PAIR_BYTES;
    }
    for (let x = before + inside; x < width; x++) {
      v128.store(target, wide);
      v128.store(target, wide, 16);
      target += PAIR_BYTES;
    }
  }
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, inputs: usize, weights: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(inputs), weights));
}

/** One output row of a 3x3 kernel: its weights stay in registers. */
export function rowThree(r: DepthwiseS8Record, inputs: usize, packed: usize, w: usize, output: usize, count: i32): void {
  const zeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  const lower = <usize>coveredWidth(r) * PAIR_BYTES;
  const step = <usize>r.strideWidth * PAIR_BYTES;
  const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
  const w4 = v128.load(w, 64), w5 = v128.load(w, 80), w6 = v128.load(w, 96), w7 = v128.load(w, 112);
  const w8 = v128.load(w, 128), w9 = v128.load(w, 144), wa = v128.load(w, 160), wb = v128.load(w, 176);
  const bias0 = biasLow(packed), bias1 = biasHigh(packed);
  for (let x = <i32>r.outputWidth; x > 0; x--) {
    const under = inputs + lower;
    let sum0 = dot(bias0, inputs, w0), sum1 = dot(bias1, inputs + 16, w1);
    sum0 = dot(sum0, under, w2);
    sum1 = dot(sum1, under + 16, w3);
    sum0 = dot(sum0, inputs + 32, w4);
    sum1 = dot(sum1, inputs + 48, w5);
    sum0 = dot(sum0, under + 32, w6);
    sum1 = dot(sum1, under + 48, w7);
    sum0 = dot(sum0, inputs + 64, w8);
    sum1 = dot(sum1, inputs + 80, w9);
    sum0 = dot(sum0, under + 64, wa);
    sum1 = dot(sum1, under + 80, wb);
    storeBytes(output, requantizeBlock(sum0, sum1, packed, zeroPoint, low, high), count);
    output += r.outputChannels;
    inputs += step;
  }
}

/** One output row of any kernel. */
export function rowAny(r: DepthwiseS8Record, inputs: usize, packed: usize, output: usize, count: i32): void {
  const zeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  const rowBytes = <usize>coveredWidth(r) * PAIR_BYTES;
  const pairs = rowPairs(r);
  for (let x = <i32>r.outputWidth; x > 0; x--) {
    let sum0 = biasLow(packed), sum1 = biasHigh(packed);
    let weights = packed + BLOCK_BYTES;
    for (let kx = 0; kx < <i32>r.kernelWidth; kx++) {
      let at = inputs + <usize>(kx * r.dilationWidth) * PAIR_BYTES;
      for (let pair = 0; pair < pairs; pair++) {
        sum0 = dot(sum0, at, v128.load(weights));
        sum1 = dot(sum1, at + 16, v128.load(weights, 16));
        at += rowBytes;
        weights += PAIR_BYTES;
      }
    }
    storeBytes(output, requantizeBlock(sum0, sum1, packed, zeroPoint, low, high), count);
    output += r.outputChannels;
    inputs += <usize>r.strideWidth * PAIR_BYTES;
  }
}
