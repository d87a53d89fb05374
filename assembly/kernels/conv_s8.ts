/**
 * 2-D convolution: input [N, H, W, C_in], weights [C_out, KH, KW, C_in / groups] (OHWI), output
 * [N, OH, OW, C_out], all int8; any stride, dilation, padding and number of groups. Padding counts as the
 * input zero point. Per output channel int32 bias (zero point folded in) and requantisation; see
 * docs/arithmetic.md.
 */
import { columnStride, columnsBytes, multiplyColumns, PIXELS, packedBytes, packWeights, widen } from "../support/gemm";
import { addressOf } from "../support/operand";
import { ConvS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

// @ts-ignore: decorator
@inline
function depthOf(r: ConvS8Record): i32 {
  return <i32>r.kernelHeight * r.kernelWidth * (<i32>r.inputChannels / r.groups);
}

export function conv_s8_packed_bytes(r: ConvS8Record): usize {
  return ASC_FEATURE_SIMD ? <usize>r.groups * packedBytes(depthOf(r), <i32>r.outputChannels / r.groups) : 0;
}

export function conv_s8_scratch_bytes(r: ConvS8Record): usize {
  return ASC_FEATURE_SIMD ? columnsBytes(depthOf(r)) : 0;
}

export function conv_s8_pack(r: ConvS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    const depth = depthOf(r);
    const channels = <i32>r.outputChannels / r.groups;
    for (let group = 0; group < <i32>r.groups; group++) {
      const first = <usize>group * channels;
      packWeights(
        packed + <usize>group * packedBytes(depth, channels),
        image + r.weights + first * depth,
        image + r.bias + (first << 2),
        image + r.multipliers + (first << 2),
        image + r.shifts + first,
        depth,
        channels,
      );
    }
  }
}

/** Writes the column of one output pixel and one group: [KH, KW, C_in / groups] int16. */
function fillColumn(r: ConvS8Record, input: usize, y: i32, x: i32, column: usize): void {
  const zeroPoint = i16x8.splat(r.inputZeroPoint);
  const channels = <i32>r.inputChannels;
  const segment = channels / <i32>r.groups;
  const height = <i32>r.inputHeight;
  const width = <i32>r.inputWidth;
  const kernelWidth = <i32>r.kernelWidth;
  const dilation = <i32>r.dilationWidth;
  const row = kernelWidth * segment;
  const left = x * r.strideWidth - r.padLeft;
  for (let ky = 0; ky < <i32>r.kernelHeight; ky++) {
    const iy = y * r.strideHeight - r.padTop + ky * r.dilationHeight;
    if (iy < 0 || iy >= height) {
      pad(column, row, zeroPoint);
    } else if (dilation == 1 && segment == channels) {
      // A row of the window is one run of bytes: what lies outside on either side is padding.
      const from = min(max(0, -left), kernelWidth);
      const to = max(from, min(kernelWidth, width - left));
      pad(column, from * segment, zeroPoint);
      widen(column + (<usize>(from * segment) << 1), input + ((iy * width + left + from) * channels), (to - from) * segment);
      pad(column + (<usize>(to * segment) << 1), (kernelWidth - to) * segment, zeroPoint);
    } else {
      for (let kx = 0; kx < kernelWidth; kx++) {
        const ix = left + kx * dilation;
        const target = column + (<usize>(kx * segment) << 1);
        if (ix < 0 || ix >= width) pad(target, segment, zeroPoint);
        else widen(target, input + ((iy * width + ix) * channels), segment);
      }
    }
    column += <usize>row << 1;
  }
}

/** `count` int16 of padding, in order with `widen`: up to 7 more, which the next piece overwrites. */
// @ts-ignore: decorator
@inline
function pad(target: usize, count: i32, value: v128): void {
  for (let i = 0; i < count; i += 8) v128.store(target + (<usize>i << 1), value);
}

function convColumns(r: ConvS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const groups = <i32>r.groups;
  const depth = depthOf(r);
  const channels = <i32>r.outputChannels / groups;
  const stride = <usize>columnStride(depth) << 1;
  const width = <i32>r.outputWidth;
  const pixels = <i32>r.outputHeight * width;
  for (let group = 0; group < groups; group++) {
    const from = input + group * (<i32>r.inputChannels / groups);
    const to = output + group * channels;
    let y = 0, x = 0;
    for (let p = 0; p < pixels; p += PIXELS) {
      const count = min(PIXELS, pixels - p);
      for (let i = 0; i < count; i++) {
        fillColumn(r, from, y, x, scratch + <usize>i * stride);
        if (++x == width) {
          x = 0;
          y++;
        }
      }
      multiplyColumns(scratch, count, packed, depth, channels, to + p * r.outputChannels, r.outputChannels, r.outputZeroPoint, r.activationMin, r.activationMax);
    }
    packed += packedBytes(depth, channels);
  }
}

export function conv_s8(r: ConvS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const inputBytes = <usize>r.inputHeight * r.inputWidth * r.inputChannels;
  const outputBytes = <usize>r.outputHeight * r.outputWidth * r.outputChannels;
  for (let n = 0; n < <i32>r.batch; n++) {
    if (ASC_FEATURE_SIMD) convColumns(r, input, output, packed, scratch);
    else convPlain(r, image, input, output);
    input += inputBytes;
    output += outputBytes;
  }
}

function convPlain(r: ConvS8Record, image: usize, input: usize, output: usize): void {
  const depth = <i32>r.inputChannels / r.groups;
  const channels = <i32>r.outputChannels;
  const perGroup = channels / <i32>r.groups;
  const height = <i32>r.inputHeight;
  const width = <i32>r.inputWidth;
  for (let y = 0; y < <i32>r.outputHeight; y++) {
    for (let x = 0; x < <i32>r.outputWidth; x++) {
      const top = y * r.strideHeight - r.padTop;
      const left = x * r.strideWidth - r.padLeft;
      let weights = image + r.weights;
      for (let c = 0; c < channels; c++) {
        const from = input + (c / perGroup) * depth;
        let sum = load<i32>(image + r.bias + (<usize>c << 2));
        for (let ky = 0; ky < <i32>r.kernelHeight; ky++) {
          const iy = top + ky * r.dilationHeight;
          for (let kx = 0; kx < <i32>r.kernelWidth; kx++) {
            const ix = left + kx * r.dilationWidth;
            if (iy >= 0 && iy < height && ix >= 0 && ix < width) {
              const pixel = from + ((iy * width + ix) * <i32>r.inputChannels);
              for (let k = 0; k < depth; k++) sum += <i32>load<i8>(pixel + k) * <i32>load<i8>(weights + k);
            } else {
              for (let k = 0; k < depth; k++) sum += r.inputZeroPoint * <i32>load<i8>(weights + k);
            }
            weights += depth;
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
