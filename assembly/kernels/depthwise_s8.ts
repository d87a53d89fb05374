/**
 * Depthwise convolution: input [N, H, W, C], weights [1, KH, KW, C * multiplier], output
 * [N, OH, OW, C * multiplier], all int8; output channel c reads input channel c / multiplier. Padding contributes
 * nothing. Per output channel int32 bias and requantisation; see docs/arithmetic.md.
 *
 * The vector path (multiplier 1) works on eight channels at a time. For each output row it interleaves the input rows
 * two by two, as int16 with the padding put in, so that one dot instruction does two taps of four channels.
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  CHANNELS,
  packBlock,
  requantizeBlock,
  setSumRange,
  setTables,
  storeBytes,
} from "../support/channels";
import { addressOf } from "../support/operand";
import { DepthwiseS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";
import { firstTap, lastTap } from "../support/window";

/** Eight channels of two rows, as int16. */
const PAIR_BYTES: usize = 32;

/** What is taken off the bias because padding and input keep their zero point: i32 of eight channels. */
const folded = memory.data(32);

// @ts-ignore: decorator
@inline
function isVector(r: DepthwiseS8Record): bool {
  return ASC_FEATURE_SIMD && r.depthMultiplier == 1;
}

// @ts-ignore: decorator
@inline
function rowPairs(r: DepthwiseS8Record): i32 {
  return (<i32>r.kernelHeight + 1) >> 1;
}

// @ts-ignore: decorator
@inline
function coveredWidth(r: DepthwiseS8Record): i32 {
  return (<i32>r.outputWidth - 1) * r.strideWidth + (<i32>r.kernelWidth - 1) * r.dilationWidth + 1;
}

// @ts-ignore: decorator
@inline
function blockBytes(r: DepthwiseS8Record): usize {
  return BLOCK_BYTES + <usize>(rowPairs(r) * r.kernelWidth) * PAIR_BYTES;
}

export function depthwise_s8_packed_bytes(r: DepthwiseS8Record): usize {
  return isVector(r) ? <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * blockBytes(r) : 0;
}

export function depthwise_s8_scratch_bytes(r: DepthwiseS8Record): usize {
  return isVector(r) ? <usize>(rowPairs(r) * coveredWidth(r)) * PAIR_BYTES : 0;
}

/** For each block of channels: its requantisation, then for each column of taps and pair of rows [8][2] int16. */
export function depthwise_s8_pack(r: DepthwiseS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (!isVector(r)) return;
    const channels = <i32>r.outputChannels;
    const height = <i32>r.kernelHeight;
    const width = <i32>r.kernelWidth;
    setTables(image + r.bias, image + r.multipliers, image + r.shifts, 1, r.outputZeroPoint, r.activationMin, r.activationMax);
    for (let first = 0; first < channels; first += CHANNELS) {
      memory.fill(packed, 0, blockBytes(r));
      for (let i = 0; i < min(CHANNELS, channels - first); i++) {
        const weights = image + r.weights + (first + i);
        setSumRange(i, weights, height * width, channels, 0);
        let sum = 0;
        for (let tap = 0; tap < height * width; tap++) {
          const w = <i32>load<i8>(weights + tap * channels);
          sum += w;
          const y = tap / width, x = tap % width;
          const pair = packed + BLOCK_BYTES + <usize>(x * rowPairs(r) + (y >> 1)) * PAIR_BYTES;
          store<i16>(pair + (<usize>i << 2) + (<usize>(y & 1) << 1), <i16>w);
        }
        store<i32>(folded + (<usize>i << 2), sum * r.inputZeroPoint);
      }
      packBlock(packed, first, channels, folded);
      packed += blockBytes(r);
    }
  }
}

export function depthwise_s8(r: DepthwiseS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  for (let n = 0; n < <i32>r.batch; n++) {
    if (ASC_FEATURE_SIMD && r.depthMultiplier == 1) depthwiseVector(r, input, output, packed, scratch);
    else depthwisePlain(r, image, input, output);
    input += <usize>r.inputHeight * r.inputWidth * r.inputChannels;
    output += <usize>r.outputHeight * r.outputWidth * r.outputChannels;
  }
}

function depthwiseVector(r: DepthwiseS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const channels = <i32>r.outputChannels;
  const row = <usize>(<i32>r.outputWidth * channels);
  const isThree = r.kernelHeight == 3 && r.kernelWidth == 3 && r.dilationWidth == 1;
  for (let c = 0; c < channels; c += CHANNELS) {
    for (let y = 0; y < <i32>r.outputHeight; y++) {
      interleaveRows(r, input + c, y * r.strideHeight - r.padTop, scratch);
      const out = output + <usize>y * row + c;
      if (isThree) rowThree(r, scratch, packed, out, channels - c);
      else rowAny(r, scratch, packed, out, channels - c);
    }
    packed += blockBytes(r);
  }
}

/** Rows top, top + dilation, … of eight channels, two by two: for each pair the covered columns. */
function interleaveRows(r: DepthwiseS8Record, input: usize, top: i32, target: usize): void {
  const zeroPoint = i8x16.splat(r.inputZeroPoint);
  const wide = i16x8.splat(r.inputZeroPoint);
  const channels = <usize>r.inputChannels;
  const rowBytes = <usize>r.inputWidth * channels;
  const height = <i32>r.inputHeight;
  const width = coveredWidth(r);
  const before = min(<i32>r.padLeft, width);
  const inside = max(0, min(<i32>r.inputWidth, width - before));
  for (let pair = 0; pair < rowPairs(r); pair++) {
    const y0 = top + 2 * pair * r.dilationHeight;
    // The partner of an odd last row meets zero weights: any row does.
    const y1 = 2 * pair + 1 < <i32>r.kernelHeight ? y0 + r.dilationHeight : y0;
    const has0 = y0 >= 0 && y0 < height, has1 = y1 >= 0 && y1 < height;
    for (let x = 0; x < before; x++) {
      v128.store(target, wide);
      v128.store(target, wide, 16);
      target += PAIR_BYTES;
    }
    let from0 = input + (has0 ? <usize>y0 * rowBytes : 0), from1 = input + (has1 ? <usize>y1 * rowBytes : 0);
    for (let x = 0; x < inside; x++) {
      const a = has0 ? v128.load_zero<i64>(from0) : zeroPoint;
      const b = has1 ? v128.load_zero<i64>(from1) : zeroPoint;
      const both = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      v128.store(target, i16x8.extend_low_i8x16_s(both));
      v128.store(target, i16x8.extend_high_i8x16_s(both), 16);
      from0 += channels;
      from1 += channels;
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
function rowThree(r: DepthwiseS8Record, inputs: usize, packed: usize, output: usize, count: i32): void {
  const zeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  const lower = <usize>coveredWidth(r) * PAIR_BYTES;
  const step = <usize>r.strideWidth * PAIR_BYTES;
  const w = packed + BLOCK_BYTES;
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
function rowAny(r: DepthwiseS8Record, inputs: usize, packed: usize, output: usize, count: i32): void {
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

function depthwisePlain(r: DepthwiseS8Record, image: usize, input: usize, output: usize): void {
  const channels = <i32>r.outputChannels;
  for (let y = 0; y < <i32>r.outputHeight; y++) {
    for (let x = 0; x < <i32>r.outputWidth; x++) {
      const top = y * r.strideHeight - r.padTop;
      const left = x * r.strideWidth - r.padLeft;
      // Taps [y0, y1) x [x0, x1) lie inside the picture.
      const y0 = firstTap(top, r.dilationHeight);
      const y1 = lastTap(top, r.dilationHeight, r.inputHeight, r.kernelHeight);
      const x0 = firstTap(left, r.dilationWidth);
      const x1 = lastTap(left, r.dilationWidth, r.inputWidth, r.kernelWidth);
      for (let c = 0; c < channels; c++) {
        const from = input + c / r.depthMultiplier;
        let sum = load<i32>(image + r.bias + (<usize>c << 2));
        for (let ky = y0; ky < y1; ky++) {
          const row = (top + ky * r.dilationHeight) * <i32>r.inputWidth + left;
          const weights = image + r.weights + (ky * r.kernelWidth * channels + c);
          for (let kx = x0; kx < x1; kx++) {
            const a = <i32>load<i8>(from + (row + kx * r.dilationWidth) * <i32>r.inputChannels) - r.inputZeroPoint;
            sum += a * <i32>load<i8>(weights + kx * channels);
          }
        }
        const multiplier = load<i32>(image + r.multipliers + (<usize>c << 2));
        const value = requantize(sum, multiplier, load<i8>(image + r.shifts + c)) + r.outputZeroPoint;
        store<i8>(output + c, <i8>clamp(value, r.activationMin, r.activationMax));
      }
      output += channels;
    }
  }
}
