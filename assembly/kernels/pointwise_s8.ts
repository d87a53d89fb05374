/**
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in], output [pixels, C_out], all int8.
 * Per output channel int32 bias (input zero point folded in) and requantisation; see docs/arithmetic.md.
 */
import { setTarget } from "../support/channels";
import {
  groupBytes,
  multiplyGroups,
  multiplyPixels,
  packedBytes,
  packWeights,
  PIXELS,
  setPixels,
  setWindow,
  widen,
  widenGroups,
} from "../support/gemm";
import { addressOf } from "../support/operand";
import { setTables } from "../support/pack_block";
import { PointwiseS8Record, Requantization } from "../support/records";
import { toInt8 } from "../support/requantization";
import { packPlain, plainBytes, plainRows, rowsBytes, weightRow } from "../support/weight_rows";

/** Bytes of widened inputs at a time: they stay in the first-level cache beside the weights of a block. */
const CHUNK_BYTES: i32 = 8192;

/** Pixels at a time, in whole steps of the matrix product. */
// @ts-ignore: decorator
@inline
function chunkPixels(r: PointwiseS8Record): i32 {
  return max(1, CHUNK_BYTES / groupBytes(r.inputChannels)) * PIXELS;
}

export function pointwise_s8_packed_bytes(r: PointwiseS8Record): usize {
  if (ASC_FEATURE_SIMD) return packedBytes(r.inputChannels, 1, r.outputChannels);
  return plainBytes(r.outputChannels, r.inputChannels, r.sparse != 0);
}

export function pointwise_s8_scratch_bytes(r: PointwiseS8Record): usize {
  return ASC_FEATURE_SIMD ? max(<usize>((chunkPixels(r) / PIXELS) * groupBytes(r.inputChannels) + 16), rowsBytes(r.inputChannels)) : 0;
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
  const chunk = chunkPixels(r);
  setWindow(depth, 1, 0, 1, 0);
  setTarget(channels, channels, r.outputZeroPoint, r.activationMin, r.activationMax);
  let left = <i32>r.pixels;
  while (left > 1) {
    // A single pixel is quicker alone.
    const count = min(chunk, (left & (PIXELS - 1)) == 1 ? left - 1 : left);
    widenGroups(scratch, input, depth, count);
    multiplyGroups(scratch, count, packed, output);
    input += count * depth;
    output += count * channels;
    left -= count;
  }
  if (left > 0) {
    widen(scratch, input, depth);
    setPixels(1, 1, 0, 0);
    multiplyPixels(scratch, packed, output);
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
