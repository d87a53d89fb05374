/**
 * Fully connected: input [N, C_in], weights [C_out / 4, C_in / 2, 4, 2] filled up with zeros, output [N, C_out], all
 * int8. Bias int32 for each output channel (zero points folded in); one requantisation, or one for each; weights may
 * have a zero point. See docs/arithmetic.md.
 */
import { biasHigh, biasLow, BLOCK_BYTES, CHANNELS, setTarget, storeOne } from "../support/channels";
import { addDot } from "../support/dot";
import { widen } from "../support/gemm";
import { addressOf } from "../support/operand";
import { packBlock, setSumRange, setTables, widenSumRange } from "../support/pack_block";
import { FullyConnectedS8Record, Requantization } from "../support/records";
import { startOf, toInt8 } from "../support/requantization";

/** Bytes of the weights of four outputs. */
// @ts-ignore: decorator
@inline
function blockBytes(r: FullyConnectedS8Record): usize {
  return <usize>((r.inputChannels + 1) >> 1) << 3;
}

/** Where the weights of an output begin: pairs of them, eight bytes apart. */
// @ts-ignore: decorator
@inline
function weightsOf(r: FullyConnectedS8Record, image: usize, output: i32): usize {
  return image + r.weights + <usize>(output >> 2) * blockBytes(r) + <usize>((output & 3) << 1);
}

// @ts-ignore: decorator
@inline
function weightAt(weights: usize, k: i32): i32 {
  return <i32>load<i8>(weights + (<usize>(k >> 1) << 3) + (k & 1));
}

export function fully_connected_s8_packed_bytes(r: FullyConnectedS8Record): usize {
  if (!ASC_FEATURE_SIMD) return <usize>r.outputChannels << 2;
  return <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * BLOCK_BYTES;
}

/** One input row as int16, zeros up to a whole vector. */
export function fully_connected_s8_scratch_bytes(r: FullyConnectedS8Record): usize {
  return ASC_FEATURE_SIMD ? <usize>(r.inputChannels + 24) << 1 : 0;
}

export function fully_connected_s8_pack(r: FullyConnectedS8Record, image: usize, packed: usize): void {
  const depth = <i32>r.inputChannels;
  if (ASC_FEATURE_SIMD) {
    const channels = <i32>r.outputChannels;
    setTables(image + r.requantization, r.outputZeroPoint, r.activationMin, r.activationMax);
    for (let c = 0; c < channels; c += CHANNELS) {
      for (let i = 0; i < min(CHANNELS, channels - c); i++) {
        const weights = weightsOf(r, image, c + i);
        setSumRange(i, weights, (depth + 1) >> 1, 8, r.weightsZeroPoint);
        widenSumRange(i, weights + 1, depth >> 1, 8, r.weightsZeroPoint);
      }
      packBlock(packed, c, channels, min(CHANNELS, channels - c));
      packed += BLOCK_BYTES;
    }
  } else {
    const t = changetype<Requantization>(image + r.requantization);
    for (let c = 0; c < <i32>r.outputChannels; c++) {
      const weights = weightsOf(r, image, c);
      let sum = -depth * r.weightsZeroPoint;
      for (let k = 0; k < depth; k++) sum += weightAt(weights, k);
      store<i32>(packed + (<usize>c << 2), startOf(t, c, sum));
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
    else rowPlain(r, image, input, output, correction, packed);
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
  setTarget(channels, channels, r.outputZeroPoint, r.activationMin, r.activationMax);
  widen(scratch, input, depth);
  store<i16>(scratch + (<usize>depth << 1), 0);
  const pairs = (depth + 1) >> 1;
  const block = <usize>pairs << 3;
  const offset = i32x4.splat(correction);
  for (let c = 0; c < channels; c += CHANNELS) {
    // Of a last block of four, those four twice.
    const next = channels - c > 4 ? weights + block : weights;
    let a = i32x4.add(biasLow(packed), offset), b = i32x4.add(biasHigh(packed), offset);
    let a1 = i32x4.splat(0), b1 = a1;
    let p = 0;
    for (; p + 1 < pairs; p += 2) {
      const at = <usize>p << 3;
      const x = v128.load_splat<i32>(scratch + (<usize>p << 2)), y = v128.load_splat<i32>(scratch + (<usize>p << 2), 4);
      a = addDot(a, x, v128.load_ext<i8>(weights + at));
      b = addDot(b, x, v128.load_ext<i8>(next + at));
      a1 = addDot(a1, y, v128.load_ext<i8>(weights + at, 8));
      b1 = addDot(b1, y, v128.load_ext<i8>(next + at, 8));
    }
    if (p < pairs) {
      const x = v128.load_splat<i32>(scratch + (<usize>p << 2));
      a = addDot(a, x, v128.load_ext<i8>(weights + (<usize>p << 3)));
      b = addDot(b, x, v128.load_ext<i8>(next + (<usize>p << 3)));
    }
    storeOne(i32x4.add(a, a1), i32x4.add(b, b1), packed, output + c, channels - c);
    weights += block << 1;
    packed += BLOCK_BYTES;
  }
}

function rowPlain(
  r: FullyConnectedS8Record,
  image: usize,
  input: usize,
  output: usize,
  correction: i32,
  starts: usize,
): void {
  const t = changetype<Requantization>(image + r.requantization);
  const depth = <i32>r.inputChannels;
  for (let c = 0; c < <i32>r.outputChannels; c++) {
    const weights = weightsOf(r, image, c);
    let sum = load<i32>(starts + (<usize>c << 2)) + correction;
    for (let k = 0; k < depth; k++) sum += <i32>load<i8>(input + k) * weightAt(weights, k);
    store<i8>(output + c, toInt8(t, c, sum, r.outputZeroPoint, r.activationMin, r.activationMax));
  }
}
