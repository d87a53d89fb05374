/**
 * Max pool: input [N, H, W, C], output [N, OH, OW, C], int8. The largest element inside the picture; nothing
 * is requantized. See docs/arithmetic.md.
 */
import { CHANNELS, storeBytes } from "../support/channels";
import { addressOf } from "../support/operand";
import { MaxPoolS8Record } from "../support/records";
import { clamp } from "../support/requantize";
import { firstTap, lastTap } from "../support/window";

export function max_pool_s8(r: MaxPoolS8Record, image: usize, arena: usize): void {
  let input = addressOf(r.input, image, arena);
  let output = addressOf(r.output, image, arena);
  const channels = <i32>r.inputChannels;
  const width = <i32>r.inputWidth;
  for (let n = 0; n < <i32>r.batch; n++) {
    for (let y = 0; y < <i32>r.outputHeight; y++) {
      const top = y * r.strideHeight - r.padTop;
      const y0 = firstTap(top, 1),
        y1 = lastTap(top, 1, r.inputHeight, r.kernelHeight);
      for (let x = 0; x < <i32>r.outputWidth; x++) {
        const left = x * r.strideWidth - r.padLeft;
        const x0 = firstTap(left, 1),
          x1 = lastTap(left, 1, width, r.kernelWidth);
        const corner = input + ((top + y0) * width + left + x0) * channels;
        if (ASC_FEATURE_SIMD) maximumVector(r, corner, y1 - y0, x1 - x0, output);
        else maximumPlain(r, corner, y1 - y0, x1 - x0, output);
        output += channels;
      }
    }
    input += <usize>r.inputHeight * width * channels;
  }
}

function maximumPlain(r: MaxPoolS8Record, corner: usize, rows: i32, columns: i32, output: usize): void {
  const channels = <i32>r.inputChannels;
  const stride = <i32>r.inputWidth * channels;
  for (let c = 0; c < channels; c++) {
    let maximum: i32 = -128;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++)
        maximum = max(maximum, <i32>load<i8>(corner + (y * stride + x * channels + c)));
    }
    store<i8>(output + c, <i8>clamp(maximum, r.activationMin, r.activationMax));
  }
}

function maximumVector(r: MaxPoolS8Record, corner: usize, rows: i32, columns: i32, output: usize): void {
  const channels = <i32>r.inputChannels;
  const stride = <i32>r.inputWidth * channels;
  const low = i8x16.splat(r.activationMin);
  const high = i8x16.splat(r.activationMax);
  for (let c = 0; c < channels; c += CHANNELS) {
    let maximum = i8x16.splat(-128);
    for (let y = 0; y < rows; y++) {
      let pixel = corner + (y * stride + c);
      for (let x = 0; x < columns; x++) {
        maximum = i8x16.max_s(maximum, v128.load_zero<i64>(pixel));
        pixel += channels;
      }
    }
    storeBytes(output + c, i8x16.min_s(i8x16.max_s(maximum, low), high), channels - c);
  }
}
