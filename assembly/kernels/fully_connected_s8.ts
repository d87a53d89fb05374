/**
 * Fully connected: input [N, C_in], weights [C_out, C_in], output [N, C_out], all int8. Bias int32 for each
 * output channel (zero points folded in); one requantisation, or one for each; weights may have a zero point. See docs/arithmetic.md.
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
import { widen } from "../support/gemm";
import { addressOf } from "../support/operand";
import { FullyConnectedS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

export function fully_connected_s8_packed_bytes(r: FullyConnectedS8Record): usize {
  return ASC_FEATURE_SIMD ? <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * BLOCK_BYTES : 0;
}

/** One input row as int16, zeros up to a whole vector. */
export function fully_connected_s8_scratch_bytes(r: FullyConnectedS8Record): usize {
  return ASC_FEATURE_SIMD ? <usize>(r.inputChannels + 24) << 1 : 0;
}

export function fully_connected_s8_pack(r: FullyConnectedS8Record, image: usize, packed: usize): void {
  if (ASC_FEATURE_SIMD) {
    const channels = <i32>r.outputChannels;
    const depth = <i32>r.inputChannels;
    setTables(image + r.bias, image + r.multipliers, image + r.shifts, r.perChannel, r.outputZeroPoint, r.activationMin, r.activationMax);
    for (let c = 0; c < channels; c += CHANNELS) {
      for (let i = 0; i < min(CHANNELS, channels - c); i++) {
        setSumRange(i, image + r.weights + <usize>(c + i) * depth, depth, 1, r.weightsZeroPoint);
      }
      packBlock(packed, c, channels, 0);
      packed += BLOCK_BYTES;
    }
  }
}

export function fully_connected_s8(r: FullyConnectedS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  for (let n = 0; n < <i32>r.batch; n++) {
    // sum((x - zx) * (w - zw)) = sum(x * w) - zw * sum(x) - what the bias has folded in
    let correction = 0;
    if (r.weightsZeroPoint != 0) {
      for (let k = 0; k < depth; k++) correction -= load<i8>(input + k);
      correction *= r.weightsZeroPoint;
    }
    if (ASC_FEATURE_SIMD) rowVector(r, image + r.weights, input, output, correction, packed, scratch);
    else rowPlain(r, image, input, output, correction);
    input += depth;
    output += channels;
  }
}

function rowVector(
  r: FullyConnectedS8Record,
  weights: usize,
  input: usize,
  output: usize,
  correction: i32,
  packed: usize,
  scratch: usize,
): void {
  const depth = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  const outputZeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin);
  const high = i8x16.splat(r.activationMax);
  widen(scratch, input, depth);
  // The last load of a weight row runs into the next one: those weights must meet zeros.
  v128.store(scratch + (<usize>depth << 1), i64x2.splat(0));
  v128.store(scratch + (<usize>depth << 1), i64x2.splat(0), 16);
  for (let c = 0; c < channels; c += CHANNELS) {
    const offset = i32x4.splat(correction);
    const sum0 = fourRows(weights, scratch, depth, channels - c);
    const sum1 = channels - c > 4 ? fourRows(weights + (depth << 2), scratch, depth, channels - c - 4) : sum0;
    const acc0 = i32x4.add(i32x4.add(sum0, offset), biasLow(packed));
    const acc1 = i32x4.add(i32x4.add(sum1, offset), biasHigh(packed));
    storeBytes(output + c, requantizeBlock(acc0, acc1, packed, outputZeroPoint, low, high), channels - c);
    weights += depth << 3;
    packed += BLOCK_BYTES;
  }
}

/** Products of one input row with four weight rows; of the last `rows` < 4, the last is repeated. */
// @ts-ignore: decorator
@inline
function fourRows(weights: usize, row: usize, depth: i32, rows: i32): v128 {
  const w1 = weights + (rows > 1 ? <usize>depth : 0);
  const w2 = w1 + (rows > 2 ? <usize>depth : 0);
  const w3 = w2 + (rows > 3 ? <usize>depth : 0);
  let a = i32x4.splat(0), b = a, c = a, d = a;
  for (let k = 0; k < depth; k += 16) {
    const x0 = v128.load(row + (<usize>k << 1)), x1 = v128.load(row + (<usize>k << 1), 16);
    const wa = weights + k, wb = w1 + k, wc = w2 + k, wd = w3 + k;
    a = i32x4.add(a, i32x4.dot_i16x8_s(x0, v128.load_ext<i8>(wa)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(x0, v128.load_ext<i8>(wb)));
    c = i32x4.add(c, i32x4.dot_i16x8_s(x0, v128.load_ext<i8>(wc)));
    d = i32x4.add(d, i32x4.dot_i16x8_s(x0, v128.load_ext<i8>(wd)));
    a = i32x4.add(a, i32x4.dot_i16x8_s(x1, v128.load_ext<i8>(wa, 8)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(x1, v128.load_ext<i8>(wb, 8)));
    c = i32x4.add(c, i32x4.dot_i16x8_s(x1, v128.load_ext<i8>(wc, 8)));
    d = i32x4.add(d, i32x4.dot_i16x8_s(x1, v128.load_ext<i8>(wd, 8)));
  }
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

function rowPlain(r: FullyConnectedS8Record, image: usize, input: usize, output: usize, correction: i32): void {
  const depth = <i32>r.inputChannels;
  let weights = image + r.weights;
  for (let c = 0; c < <i32>r.outputChannels; c++) {
    let sum = load<i32>(image + r.bias + (<usize>c << 2)) + correction;
    for (let k = 0; k < depth; k++) sum += <i32>load<i8>(input + k) * <i32>load<i8>(weights + k);
    const channel = r.perChannel ? <usize>c : 0;
    const multiplier = load<i32>(image + r.multipliers + (channel << 2));
    const value = requantize(sum, multiplier, load<i8>(image + r.shifts + channel)) + r.outputZeroPoint;
    store<i8>(output + c, <i8>clamp(value, r.activationMin, r.activationMax));
    weights += depth;
  }
}
