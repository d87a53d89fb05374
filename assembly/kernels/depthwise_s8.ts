/**
 * Depthwise convolution: input [N, H, W, C], weights [1, KH, KW, C * multiplier], output
 * [N, OH, OW, C * multiplier], all int8; output channel c reads input channel c / multiplier. Padding
 * contributes nothing. Per output channel int32 bias and requantisation; see docs/arithmetic.md.
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  CHANNELS,
  packBlock,
  requantizeBlock,
  storeBytes,
} from "../support/channels";
import { addressOf } from "../support/operand";
import { DepthwiseS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";
import { firstTap, lastTap } from "../support/window";

export function depthwise_s8_packed_bytes(r: DepthwiseS8Record): usize {
  if (!ASC_FEATURE_SIMD || r.depthMultiplier != 1) return 0;
  return <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * BLOCK_BYTES;
}

export function depthwise_s8_pack(r: DepthwiseS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (r.depthMultiplier != 1) return;
    const channels = <i32>r.outputChannels;
    for (let c = 0; c < channels; c += CHANNELS) {
      packBlock(packed, c, channels, image + r.bias, image + r.multipliers, image + r.shifts, 1);
      packed += BLOCK_BYTES;
    }
  }
}

export function depthwise_s8(r: DepthwiseS8Record, image: usize, arena: usize, packed: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const inputBytes = <usize>r.inputHeight * r.inputWidth * r.inputChannels;
  const pixelBytes = <usize>r.outputChannels;
  for (let n = 0; n < <i32>r.batch; n++) {
    for (let y = 0; y < <i32>r.outputHeight; y++) {
      for (let x = 0; x < <i32>r.outputWidth; x++) {
        const top = y * r.strideHeight - r.padTop;
        const left = x * r.strideWidth - r.padLeft;
        // Taps [y0, y1) x [x0, x1) lie inside the picture.
        const y0 = firstTap(top, r.dilationHeight);
        const y1 = lastTap(top, r.dilationHeight, r.inputHeight, r.kernelHeight);
        const x0 = firstTap(left, r.dilationWidth);
        const x1 = lastTap(left, r.dilationWidth, r.inputWidth, r.kernelWidth);
        if (ASC_FEATURE_SIMD && r.depthMultiplier == 1) {
          pixelVector(r, image, input, output, packed, top, left, y0, y1, x0, x1);
        } else {
          pixelPlain(r, image, input, output, top, left, y0, y1, x0, x1);
        }
        output += pixelBytes;
      }
    }
    input += inputBytes;
  }
}

function pixelVector(
  r: DepthwiseS8Record,
  image: usize,
  input: usize,
  output: usize,
  packed: usize,
  top: i32,
  left: i32,
  y0: i32,
  y1: i32,
  x0: i32,
  x1: i32,
): void {
  const channels = <i32>r.outputChannels;
  const inputZeroPoint = i16x8.splat(r.inputZeroPoint);
  const outputZeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin);
  const high = i8x16.splat(r.activationMax);
  const step = <usize>r.dilationWidth * channels;
  for (let c = 0; c < channels; c += CHANNELS) {
    let sum0 = biasLow(packed),
      sum1 = biasHigh(packed);
    for (let ky = y0; ky < y1; ky++) {
      const row = (top + ky * r.dilationHeight) * <i32>r.inputWidth + left + x0 * r.dilationWidth;
      let pixel = input + (row * channels + c);
      let weights = image + r.weights + ((ky * r.kernelWidth + x0) * channels + c);
      for (let kx = x0; kx < x1; kx++) {
        const a = i16x8.sub(v128.load_ext<i8>(pixel), inputZeroPoint);
        const w = v128.load_ext<i8>(weights);
        sum0 = i32x4.add(sum0, i32x4.extmul_low_i16x8_s(a, w));
        sum1 = i32x4.add(sum1, i32x4.extmul_high_i16x8_s(a, w));
        pixel += step;
        weights += channels;
      }
    }
    const bytes = requantizeBlock(sum0, sum1, packed, outputZeroPoint, low, high);
    storeBytes(output + c, bytes, channels - c);
    packed += BLOCK_BYTES;
  }
}

function pixelPlain(
  r: DepthwiseS8Record,
  image: usize,
  input: usize,
  output: usize,
  top: i32,
  left: i32,
  y0: i32,
  y1: i32,
  x0: i32,
  x1: i32,
): void {
  const channels = <i32>r.outputChannels;
  for (let c = 0; c < channels; c++) {
    const from = input + c / r.depthMultiplier;
    let sum = load<i32>(image + r.bias + ((<usize>c) << 2));
    for (let ky = y0; ky < y1; ky++) {
      const row = (top + ky * r.dilationHeight) * <i32>r.inputWidth + left;
      const weights = image + r.weights + (ky * r.kernelWidth * channels + c);
      for (let kx = x0; kx < x1; kx++) {
        const a =
          <i32>load<i8>(from + (row + kx * r.dilationWidth) * <i32>r.inputChannels) - r.inputZeroPoint;
        sum += a * <i32>load<i8>(weights + kx * channels);
      }
    }
    const multiplier = load<i32>(image + r.multipliers + ((<usize>c) << 2));
    const value = requantize(sum, multiplier, load<i8>(image + r.shifts + c)) + r.outputZeroPoint;
    store<i8>(output + c, <i8>clamp(value, r.activationMin, r.activationMax));
  }
}
