/**
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in], output [pixels, C_out], all int8.
 * Per output channel int32 bias (input zero point folded in) and requantisation; see docs/arithmetic.md.
 */
import {
  columnStride,
  columnsBytes,
  multiplyColumns,
  PIXELS,
  packedBytes,
  packWeights,
  widen,
} from "../support/gemm";
import { addressOf } from "../support/operand";
import { PointwiseS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

export function pointwise_s8_packed_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? packedBytes(r.inputChannels, r.outputChannels) : 0;
}

export function pointwise_s8_scratch_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? columnsBytes(r.inputChannels) : 0;
}

export function pointwise_s8_pack(r: PointwiseS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    const bias = image + r.bias;
    packWeights(
      packed,
      image + r.weights,
      bias,
      image + r.multipliers,
      image + r.shifts,
      r.inputChannels,
      r.outputChannels,
    );
  }
}

export function pointwise_s8(
  r: PointwiseS8Record,
  image: usize,
  arena: usize,
  packed: usize,
  scratch: usize,
): void {
  const pixels = <i32>r.pixels;
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  if (ASC_FEATURE_SIMD) {
    const stride = (<usize>columnStride(depth)) << 1;
    for (let p = 0; p < pixels; p += PIXELS) {
      const count = min(PIXELS, pixels - p);
      for (let i = 0; i < count; i++) {
        widen(scratch + <usize>i * stride, input, depth);
        input += depth;
      }
      multiplyColumns(
        scratch,
        count,
        packed,
        depth,
        channels,
        output,
        channels,
        r.outputZeroPoint,
        r.activationMin,
        r.activationMax,
      );
      output += <usize>count * channels;
    }
    return;
  }
  const bias = image + r.bias;
  const multipliers = image + r.multipliers;
  const shifts = image + r.shifts;
  for (let p = 0; p < pixels; p++) {
    let weights = image + r.weights;
    for (let c = 0; c < channels; c++) {
      let sum = load<i32>(bias + ((<usize>c) << 2));
      for (let k = 0; k < depth; k++) sum += <i32>load<i8>(input + k) * <i32>load<i8>(weights + k);
      weights += depth;
      const y =
        requantize(sum, load<i32>(multipliers + ((<usize>c) << 2)), load<i8>(shifts + c)) + r.outputZeroPoint;
      store<i8>(output + c, <i8>clamp(y, r.activationMin, r.activationMax));
    }
    input += depth;
    output += channels;
  }
}
