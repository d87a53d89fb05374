/**
 * Average pool: input [N, H, W, C], output [N, OH, OW, C], int8. The sum of the elements inside the picture,
 * divided by their number, halves away from zero; nothing is requantized. See docs/arithmetic.md.
 */
import { CHANNELS, narrow, storeBytes } from "../support/channels";
import { addressOf } from "../support/operand";
import { AvgPoolS8Record } from "../support/records";
import { clamp } from "../support/requantize";
import { firstTap, lastTap } from "../support/window";

export function avg_pool_s8(r: AvgPoolS8Record, image: usize, arena: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const channels = <i32>r.inputChannels;
  const width = <i32>r.inputWidth;
  for (let n = 0; n < <i32>r.batch; n++) {
    for (let y = 0; y < <i32>r.outputHeight; y++) {
      const top = y * r.strideHeight - r.padTop;
      const y0 = firstTap(top, 1), y1 = lastTap(top, 1, r.inputHeight, r.kernelHeight);
      for (let x = 0; x < <i32>r.outputWidth; x++) {
        const left = x * r.strideWidth - r.padLeft;
        const x0 = firstTap(left, 1), x1 = lastTap(left, 1, width, r.kernelWidth);
        const corner = input + (((top + y0) * width + left + x0) * channels);
        if (ASC_FEATURE_SIMD) averageVector(r, corner, y1 - y0, x1 - x0, output);
        else averagePlain(r, corner, y1 - y0, x1 - x0, output);
        output += channels;
      }
    }
    input += <usize>r.inputHeight * width * channels;
  }
}

/** sum / count, halves away from zero. */
// @ts-ignore: decorator
@inline
function divide(sum: i32, count: i32): i32 {
  return (sum > 0 ? sum + (count >> 1) : sum - (count >> 1)) / count;
}

function averagePlain(r: AvgPoolS8Record, corner: usize, rows: i32, columns: i32, output: usize): void {
  const channels = <i32>r.inputChannels;
  const stride = <i32>r.inputWidth * channels;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) sum += load<i8>(corner + (y * stride + x * channels + c));
    }
    store<i8>(output + c, <i8>clamp(divide(sum, rows * columns), r.activationMin, r.activationMax));
  }
}

/** So many int8 add up to an int16, whatever they are. */
const WORDS: i32 = 256;

function averageVector(r: AvgPoolS8Record, corner: usize, rows: i32, columns: i32, output: usize): void {
  const channels = <i32>r.inputChannels;
  const stride = <i32>r.inputWidth * channels;
  const low = i8x16.splat(r.activationMin);
  const high = i8x16.splat(r.activationMax);
  for (let c = 0; c < channels; c += CHANNELS) {
    let sum0 = i32x4.splat(0), sum1 = sum0, words = sum0;
    let room = WORDS;
    for (let y = 0; y < rows; y++) {
      let pixel = corner + (y * stride + c);
      for (let x = 0; x < columns; x++) {
        words = i16x8.add(words, v128.load_ext<i8>(pixel));
        pixel += channels;
        if (--room == 0) {
          sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(words));
          sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(words));
          words = i32x4.splat(0);
          room = WORDS;
        }
      }
    }
    sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(words));
    sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(words));
    const count = rows * columns;
    storeBytes(output + c, narrow(divideLanes(sum0, count), divideLanes(sum1, count), low, high), channels - c);
  }
}

// @ts-ignore: decorator
@inline
function divideLanes(sum: v128, count: i32): v128 {
  return i32x4(
    divide(i32x4.extract_lane(sum, 0), count),
    divide(i32x4.extract_lane(sum, 1), count),
    divide(i32x4.extract_lane(sum, 2), count),
    divide(i32x4.extract_lane(sum, 3), count),
  );
}
