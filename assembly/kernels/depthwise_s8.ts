/**
 * Depthwise convolution: input [N, H, W, C], weights [1, KH, KW, C * multiplier], output
 * [N, OH, OW, C * multiplier], all int8; output channel c reads input channel c / multiplier. Padding contributes
 * nothing. Per output channel int32 bias and requantisation; see docs/arithmetic.md.
 *
 * The vector path (multiplier 1) works on eight channels at a time; see row_pairs.ts.
 */
import { BLOCK_BYTES, blockStart, CHANNELS, setTarget } from "../support/channels";
import { addressOf } from "../support/operand";
import { packBlock, setSumRange, setTables } from "../support/pack_block";
import { DepthwiseS8Record, Requantization } from "../support/records";
import { packStarts, toInt8 } from "../support/requantization";
import {
  interleavedBytes,
  multiplyPicture,
  PAIR_BYTES,
  pairsOfTaps,
  placeOfTap,
  prepareInterleaved,
  setShape,
} from "../support/row_pairs";
import { firstTap, lastTap } from "../support/window";

// @ts-ignore: decorator
@inline
function isVector(r: DepthwiseS8Record): bool {
  return ASC_FEATURE_SIMD && r.depthMultiplier == 1;
}

// @ts-ignore: decorator
@inline
function blockBytes(r: DepthwiseS8Record): usize {
  return BLOCK_BYTES + <usize>pairsOfTaps(r) * PAIR_BYTES;
}

export function depthwise_s8_packed_bytes(r: DepthwiseS8Record): usize {
  if (!isVector(r)) return <usize>r.outputChannels << 2;
  return <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * blockBytes(r);
}

export function depthwise_s8_scratch_bytes(r: DepthwiseS8Record): usize {
  if (!isVector(r)) return 0;
  setShape(r);
  return interleavedBytes();
}

/**
 * For each block of channels: its requantisation, then for each pair of taps [8][2] int16.
 */
export function depthwise_s8_pack(r: DepthwiseS8Record, image: usize, packed: usize): void {
  const channels = <i32>r.outputChannels;
  const taps = <i32>r.kernelHeight * r.kernelWidth;
  if (!isVector(r)) {
    const t = changetype<Requantization>(image + r.requantization);
    packStarts(packed, t, image + r.weights, taps, channels, 1, 0, r.inputZeroPoint);
  } else if (ASC_FEATURE_SIMD) {
    const width = <i32>r.kernelWidth;
    setTables(image + r.requantization, r.outputZeroPoint, r.activationMin, r.activationMax);
    for (let first = 0; first < channels; first += CHANNELS) {
      const start = blockStart(first, channels);
      const values = packed + BLOCK_BYTES;
      memory.fill(values, 0, blockBytes(r) - BLOCK_BYTES);
      for (let i = 0; i < min(CHANNELS, channels - start); i++) {
        const weights = image + r.weights + (start + i);
        setSumRange(i, weights, taps, channels, 0);
        for (let tap = 0; tap < taps; tap++) {
          const place = placeOfTap(r, tap / width, tap % width);
          const pair = values + <usize>(place >> 1) * PAIR_BYTES + (<usize>i << 2);
          store<i16>(pair + (<usize>(place & 1) << 1), load<i8>(weights + tap * channels));
        }
      }
      packBlock(packed, start, channels, min(CHANNELS, channels - first));
      packed += blockBytes(r);
    }
  }
}

export function depthwise_s8(r: DepthwiseS8Record, image: usize, arena: usize, packed: usize, scratch: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  for (let n = 0; n < <i32>r.batch; n++) {
    if (ASC_FEATURE_SIMD && r.depthMultiplier == 1) depthwiseVector(r, input, output, packed, scratch);
    else depthwisePlain(r, image, input, output, packed);
    input += <usize>r.inputHeight * r.inputWidth * r.inputChannels;
    output += <usize>r.outputHeight * r.outputWidth * r.outputChannels;
  }
}

function depthwiseVector(r: DepthwiseS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const channels = <i32>r.outputChannels;
  setShape(r);
  setTarget(channels, channels, r.outputZeroPoint, r.activationMin, r.activationMax);
  prepareInterleaved(scratch);
  for (let first = 0; first < channels; first += CHANNELS) {
    const start = blockStart(first, channels);
    multiplyPicture(input + start, output + start, packed, scratch, channels - start);
    packed += blockBytes(r);
  }
}

function depthwisePlain(r: DepthwiseS8Record, image: usize, input: usize, output: usize, starts: usize): void {
  const t = changetype<Requantization>(image + r.requantization);
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
        let sum = load<i32>(starts + (<usize>c << 2));
        for (let ky = y0; ky < y1; ky++) {
          const row = (top + ky * r.dilationHeight) * <i32>r.inputWidth + left;
          const weights = image + r.weights + (ky * r.kernelWidth * channels + c);
          for (let kx = x0; kx < x1; kx++) {
            const a = <i32>load<i8>(from + (row + kx * r.dilationWidth) * <i32>r.inputChannels) - r.inputZeroPoint;
            sum += a * <i32>load<i8>(weights + kx * channels);
          }
        }
        store<i8>(output + c, toInt8(t, c, sum, r.outputZeroPoint, r.activationMin, r.activationMax));
      }
      output += channels;
    }
  }
}
