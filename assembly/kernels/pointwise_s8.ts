/**
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in], output [pixels, C_out], all int8.
 * Per output channel int32 bias (input zero point folded in) and requantisation; see docs/arithmetic.md.
 */
import { setTables } from "../support/channels";
import {
  multiplyFour,
  multiplyOne,
  packedBytes,
  packPlain,
  packWeights,
  PIXELS,
  plainBytes,
  plainRows,
  rowsBytes,
  setTarget,
  setWindow,
  weightRow,
  widen,
} from "../support/gemm";
import { addressOf } from "../support/operand";
import { PointwiseS8Record, Requantization } from "../support/records";
import { toInt8 } from "../support/requantization";

/** int16 from one pixel's inputs to the next: whole vectors. */
// @ts-ignore: decorator
@inline
function inputStride(r: PointwiseS8Record): i32 {
  return (<i32>r.inputChannels + 7) & ~7;
}

export function pointwise_s8_packed_bytes(r: PointwiseS8Record): usize {
  if (ASC_FEATURE_SIMD) return packedBytes(r.inputChannels, 1, r.outputChannels);
  return plainBytes(r.outputChannels, r.inputChannels, r.sparse != 0);
}

export function pointwise_s8_scratch_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? max(<usize>(inputStride(r) * PIXELS) << 1, rowsBytes(r.inputChannels)) : 0;
}

export function pointwise_s8_pack(r: PointwiseS8Record, image: usize, packed: usize, scratch: usize): void {
  if (ASC_FEATURE_SIMD) {
    setTables(image + r.requantization, r.outputZeroPoint, r.activationMin, r.activationMax);
    setWindow(r.inputChannels, 1, 0, 1, 0);
    packWeights(packed, image + r.weights, 0, r.outputChannels, r.sparse != 0, scratch);
  } else {
    const t = changetype<Requantization>(image + r.requantization);
    packPlain(packed, t, image + r.weights, r.inputChannels, r.sparse != 0);
  }
}

export function pointwise_s8(r: PointwiseS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  const input = addressOf(r.input, image, arena);
  const output = addressOf(r.output, image, arena);
  if (ASC_FEATURE_SIMD) pointwiseVector(r, input, output, packed, scratch);
  else pointwisePlain(r, image, input, output, packed);
}

function pointwiseVector(r: PointwiseS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  const stride = <usize>inputStride(r) << 1;
  const p1 = scratch + stride, p2 = p1 + stride, p3 = p2 + stride;
  setWindow(depth, 1, 0, 1, 0);
  setTarget(channels, channels, r.outputZeroPoint, r.activationMin, r.activationMax);
  let left = <i32>r.pixels;
  for (; left >= PIXELS; left -= PIXELS) {
    widen(scratch, input, depth);
    widen(p1, input + depth, depth);
    widen(p2, input + 2 * depth, depth);
    widen(p3, input + 3 * depth, depth);
    multiplyFour(scratch, p1, p2, p3, packed, output);
    input += PIXELS * depth;
    output += PIXELS * channels;
  }
  for (; left > 0; left--) {
    widen(scratch, input, depth);
    multiplyOne(scratch, packed, output);
    input += depth;
    output += channels;
  }
}

function pointwisePlain(r: PointwiseS8Record, image: usize, input: usize, output: usize, packed: usize): void {
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  const t = changetype<Requantization>(image + r.requantization);
  const stride = weightRow(depth);
  for (let p = <i32>r.pixels; p > 0; p--) {
    let weights = (r.sparse ? plainRows(packed, channels) : image + r.weights) + (stride - depth);
    for (let c = 0; c < channels; c++) {
      let sum = load<i32>(packed + (<usize>c << 2));
      for (let k = 0; k < depth; k++) sum += <i32>load<i8>(input + k) * <i32>load<i8>(weights + k);
      weights += stride;
      store<i8>(output + c, toInt8(t, c, sum, r.outputZeroPoint, r.activationMin, r.activationMax));
    }
    input += depth;
    output += channels;
  }
}
