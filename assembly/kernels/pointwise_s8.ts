/**
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in], output [pixels, C_out], all int8.
 * Per output channel int32 bias (input zero point folded in) and requantisation; see docs/arithmetic.md.
 */
import { setTables } from "../support/channels";
import { multiplyFour, multiplyOne, packedBytes, packWeights, PIXELS, setTarget, setWindow, widen } from "../support/gemm";
import { addressOf } from "../support/operand";
import { PointwiseS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

/** int16 from one pixel's inputs to the next: whole vectors. */
// @ts-ignore: decorator
@inline
function inputStride(r: PointwiseS8Record): i32 {
  return (<i32>r.inputChannels + 7) & ~7;
}

export function pointwise_s8_packed_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? packedBytes(r.inputChannels, 1, r.outputChannels) : 0;
}

export function pointwise_s8_scratch_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? <usize>(inputStride(r) * PIXELS) << 1 : 0;
}

export function pointwise_s8_pack(r: PointwiseS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    setTables(image + r.bias, image + r.multipliers, image + r.shifts, 1, r.outputZeroPoint, r.activationMin, r.activationMax);
    setWindow(r.inputChannels, 1, 0, 1, 0);
    packWeights(packed, image + r.weights, r.outputChannels);
  }
}

export function pointwise_s8(r: PointwiseS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  const input = addressOf(r.input, image, arena);
  const output = addressOf(r.output, image, arena);
  if (ASC_FEATURE_SIMD) pointwiseVector(r, input, output, packed, scratch);
  else pointwisePlain(r, image, input, output);
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

function pointwisePlain(r: PointwiseS8Record, image: usize, input: usize, output: usize): void {
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  const bias = image + r.bias;
  const multipliers = image + r.multipliers;
  const shifts = image + r.shifts;
  for (let p = <i32>r.pixels; p > 0; p--) {
    let weights = image + r.weights;
    for (let c = 0; c < channels; c++) {
      let sum = load<i32>(bias + (<usize>c << 2));
      for (let k = 0; k < depth; k++) sum += <i32>load<i8>(input + k) * <i32>load<i8>(weights + k);
      weights += depth;
      const y = requantize(sum, load<i32>(multipliers + (<usize>c << 2)), load<i8>(shifts + c)) + r.outputZeroPoint;
      store<i8>(output + c, <i8>clamp(y, r.activationMin, r.activationMax));
    }
    input += depth;
    output += channels;
  }
}
