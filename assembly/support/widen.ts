/** The input of a convolution as int16 with padding put around it (SIMD): [covered rows][covered columns][channels]. */
import { widen } from "./gemm";
import { ConvS8Record } from "./records";

// @ts-ignore: decorator
@inline
export function groupInputs(r: ConvS8Record): i32 {
  return <i32>r.inputChannels / r.groups;
}

/** Pixels across and down that the windows cover, padding included. */
// @ts-ignore: decorator
@inline
export function coveredWidth(r: ConvS8Record): i32 {
  return (<i32>r.outputWidth - 1) * r.strideWidth + (<i32>r.kernelWidth - 1) * r.dilationWidth + 1;
}

// @ts-ignore: decorator
@inline
export function coveredHeight(r: ConvS8Record): i32 {
  return (<i32>r.outputHeight - 1) * r.strideHeight + (<i32>r.kernelHeight - 1) * r.dilationHeight + 1;
}

/** int16 from one covered row to the next, with room for what `widen` writes too much. */
// @ts-ignore: decorator
@inline
export function rowStride(r: ConvS8Record): i32 {
  return coveredWidth(r) * groupInputs(r) + 8;
}

/** The covered part of one group's input as int16, with the zero point where there is padding. */
export function widenInput(r: ConvS8Record, input: usize, target: usize): void {
  widenRows(r, input, target, -<i32>r.padTop, coveredHeight(r), coveredWidth(r), <usize>rowStride(r) << 1);
}

/** `rows` rows of one group's input from row `top` on, `width` pixels each; `stride` bytes apart at the target. */
export function widenRows(
  r: ConvS8Record,
  input: usize,
  target: usize,
  top: i32,
  rows: i32,
  width: i32,
  stride: usize,
): void {
  const zeroPoint = i16x8.splat(r.inputZeroPoint);
  const channels = <i32>r.inputChannels;
  const inputs = groupInputs(r);
  const before = min(<i32>r.padLeft, width);
  const inside = max(0, min(<i32>r.inputWidth, width - before));
  for (let y = top; y < top + rows; y++) {
    if (y < 0 || y >= <i32>r.inputHeight) {
      fill(target, width * inputs, zeroPoint);
    } else {
      fill(target, before * inputs, zeroPoint);
      let to = target + (<usize>(before * inputs) << 1);
      const from = input + y * <i32>r.inputWidth * channels;
      if (inputs == channels) {
        widen(to, from, inside * inputs);
        to += <usize>(inside * inputs) << 1;
      } else {
        for (let x = 0; x < inside; x++) {
          widen(to, from + x * channels, inputs);
          to += <usize>inputs << 1;
        }
      }
      fill(to, (width - before - inside) * inputs, zeroPoint);
    }
    target += stride;
  }
}

/** `count` int16 of padding and, like `widen`, up to 7 more, which the next piece overwrites. */
// @ts-ignore: decorator
@inline
function fill(target: usize, count: i32, value: v128): void {
  for (let i = 0; i < count; i += 8) v128.store(target + (<usize>i << 1), value);
}
