/**
 * The matrix product behind convolution (SIMD): up to four pixels' columns (int16)
 * times packed weights. Weights of eight output channels lie together, widened to int16, in pairs of input
 * channels, so that one dot instruction does two input channels of four output channels:
 *
 *   for each block of 8 channels: its requantisation block, then for each pair k: [8 channels][2] int16
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  CHANNELS,
  packBlock,
  requantizeBlock,
  storeBytes,
} from "./channels";

const PAIR_BYTES: usize = 32;
export const PIXELS: i32 = 4;

/** Elements from one column to the next: the depth rounded up to what one load widens. */
// @ts-ignore: decorator
@inline
export function columnStride(depth: i32): i32 {
  return (depth + 7) & ~7;
}

/** Bytes of four columns, with room for the last load to run over. */
export function columnsBytes(depth: i32): usize {
  return (<usize>columnStride(depth) * PIXELS + 8) << 1;
}

// @ts-ignore: decorator
@inline
function blockBytes(depth: i32): usize {
  return BLOCK_BYTES + <usize>((depth + 1) >> 1) * PAIR_BYTES;
}

export function packedBytes(depth: i32, channels: i32): usize {
  return <usize>((channels + CHANNELS - 1) / CHANNELS) * blockBytes(depth);
}

/** Packs weights [channels, depth] int8 and their requantisation. */
export function packWeights(
  packed: usize,
  weights: usize,
  bias: usize,
  multipliers: usize,
  shifts: usize,
  depth: i32,
  channels: i32,
): void {
  for (let first = 0; first < channels; first += CHANNELS) {
    packBlock(packed, first, channels, bias, multipliers, shifts, 1);
    const pairs = packed + BLOCK_BYTES;
    memory.fill(pairs, 0, blockBytes(depth) - BLOCK_BYTES);
    for (let c = 0; c < min(CHANNELS, channels - first); c++) {
      const row = weights + <usize>(first + c) * depth;
      for (let k = 0; k < depth; k++) {
        const at = pairs + <usize>(k >> 1) * PAIR_BYTES + (<usize>c << 2) + (<usize>(k & 1) << 1);
        store<i16>(at, load<i8>(row + k));
      }
    }
    packed += blockBytes(depth);
  }
}

/** Widens `count` int8 to int16; reads and writes up to 7 elements more. */
// @ts-ignore: decorator
@inline
export function widen(target: usize, source: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) v128.store(target + (<usize>i << 1), v128.load_ext<i8>(source + i));
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, weights: v128, column: usize): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights, v128.load_splat<i32>(column)));
}

/**
 * All channels of `pixels` (1 … 4) columns; output pixels are `outputStride` bytes apart.
 */
export function multiplyColumns(
  columns: usize,
  pixels: i32,
  packed: usize,
  depth: i32,
  channels: i32,
  output: usize,
  outputStride: i32,
  outputZeroPoint: i32,
  activationMin: i32,
  activationMax: i32,
): void {
  const zeroPoint = i32x4.splat(outputZeroPoint);
  const low = i8x16.splat(<i8>activationMin);
  const high = i8x16.splat(<i8>activationMax);
  const stride = <usize>columnStride(depth) << 1;
  const end = <usize>((depth + 1) >> 1) << 2;
  const step = blockBytes(depth);
  for (let first = 0; first < channels; first += CHANNELS) {
    const count = min(CHANNELS, channels - first);
    const out = output + first;
    if (pixels == PIXELS) {
      let a0 = biasLow(packed), a1 = biasHigh(packed);
      let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
      let weights = packed + BLOCK_BYTES;
      for (let column = columns; column < columns + end; column += 4) {
        const w0 = v128.load(weights), w1 = v128.load(weights, 16);
        a0 = dot(a0, w0, column);
        a1 = dot(a1, w1, column);
        b0 = dot(b0, w0, column + stride);
        b1 = dot(b1, w1, column + stride);
        c0 = dot(c0, w0, column + 2 * stride);
        c1 = dot(c1, w1, column + 2 * stride);
        d0 = dot(d0, w0, column + 3 * stride);
        d1 = dot(d1, w1, column + 3 * stride);
        weights += PAIR_BYTES;
      }
      storeBytes(out, requantizeBlock(a0, a1, packed, zeroPoint, low, high), count);
      storeBytes(out + outputStride, requantizeBlock(b0, b1, packed, zeroPoint, low, high), count);
      storeBytes(out + 2 * outputStride, requantizeBlock(c0, c1, packed, zeroPoint, low, high), count);
      storeBytes(out + 3 * outputStride, requantizeBlock(d0, d1, packed, zeroPoint, low, high), count);
    } else {
      for (let p = 0; p < pixels; p++) {
        let a0 = biasLow(packed), a1 = biasHigh(packed);
        let weights = packed + BLOCK_BYTES;
        const start = columns + <usize>p * stride;
        for (let column = start; column < start + end; column += 4) {
          a0 = dot(a0, v128.load(weights), column);
          a1 = dot(a1, v128.load(weights, 16), column);
          weights += PAIR_BYTES;
        }
        storeBytes(out + p * outputStride, requantizeBlock(a0, a1, packed, zeroPoint, low, high), count);
      }
    }
    packed += step;
  }
}
