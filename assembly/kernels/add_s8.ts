/**
 * Sum or difference of two int8 tensors that broadcast: both rescaled to a common scale in int32, added or
 * subtracted, rescaled to the output's. The output may lie on an input of its size. See docs/arithmetic.md.
 */
import { rowOffset } from "../support/broadcast";
import { CHANNELS, isPlain, narrow, requantizeLanes, storeBytes } from "../support/channels";
import { addressOf } from "../support/operand";
import { AddS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";

export function add_s8(r: AddS8Record, image: usize, arena: usize): void {
  const input1 = addressOf(r.input, image, arena);
  const input2 = addressOf(r.input2, image, arena);
  let output = addressOf(r.output, image, arena);
  const step1 = <usize>((r.broadcast1 >> 3) & 1 ^ 1);
  const step2 = <usize>((r.broadcast2 >> 3) & 1 ^ 1);
  const vector = ASC_FEATURE_SIMD && !isPlain(r.shift1) && !isPlain(r.shift2) && !isPlain(r.outputShift);
  for (let i0 = 0; i0 < <i32>r.dim0; i0++) {
    for (let i1 = 0; i1 < <i32>r.dim1; i1++) {
      for (let i2 = 0; i2 < <i32>r.dim2; i2++) {
        const a = input1 + rowOffset(r.broadcast1, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        const b = input2 + rowOffset(r.broadcast2, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        if (vector) rowVector(r, a, step1, b, step2, output);
        else rowPlain(r, a, step1, b, step2, output);
        output += r.dim3;
      }
    }
  }
}

function rowPlain(r: AddS8Record, a: usize, step1: usize, b: usize, step2: usize, output: usize): void {
  for (let i = 0; i < <i32>r.dim3; i++) {
    const x = (<i32>load<i8>(a) - r.inputZeroPoint) << r.leftShift;
    const y = (<i32>load<i8>(b) - r.input2ZeroPoint) << r.leftShift;
    const left = requantize(x, r.multiplier1, r.shift1);
    const right = requantize(y, r.multiplier2, r.shift2);
    const sum = r.subtract ? left - right : left + right;
    const value = requantize(sum, r.outputMultiplier, r.outputShift) + r.outputZeroPoint;
    store<i8>(output + i, <i8>clamp(value, r.activationMin, r.activationMax));
    a += step1;
    b += step2;
  }
}

/** Eight elements, or one repeated, less the zero point, as int16. */
// @ts-ignore: decorator
@inline
function eight(address: usize, step: usize, zeroPoint: v128): v128 {
  return i16x8.sub(step ? v128.load_ext<i8>(address) : i16x8.splat(load<i8>(address)), zeroPoint);
}

// @ts-ignore: decorator
@inline
function rescale(x: v128, leftShift: i32, multiplier: v128, scale: v128): v128 {
  return requantizeLanes(i32x4.shl(x, leftShift), multiplier, scale);
}

function rowVector(r: AddS8Record, a: usize, step1: usize, b: usize, step2: usize, output: usize): void {
  const count = <i32>r.dim3;
  const shift = <i32>r.leftShift;
  const zeroPoint1 = i16x8.splat(r.inputZeroPoint), zeroPoint2 = i16x8.splat(r.input2ZeroPoint);
  const multiplier1 = i32x4.splat(r.multiplier1), scale1 = i32x4.splat(1 << (30 + r.shift1));
  const multiplier2 = i32x4.splat(r.multiplier2), scale2 = i32x4.splat(1 << (30 + r.shift2));
  const multiplier = i32x4.splat(r.outputMultiplier), scale = i32x4.splat(1 << (30 + r.outputShift));
  const zeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  for (let i = 0; i < count; i += CHANNELS) {
    const x = eight(a, step1, zeroPoint1);
    const y = eight(b, step2, zeroPoint2);
    const x0 = rescale(i32x4.extend_low_i16x8_s(x), shift, multiplier1, scale1);
    const x1 = rescale(i32x4.extend_high_i16x8_s(x), shift, multiplier1, scale1);
    const y0 = rescale(i32x4.extend_low_i16x8_s(y), shift, multiplier2, scale2);
    const y1 = rescale(i32x4.extend_high_i16x8_s(y), shift, multiplier2, scale2);
    const sum0 = r.subtract ? i32x4.sub(x0, y0) : i32x4.add(x0, y0);
    const sum1 = r.subtract ? i32x4.sub(x1, y1) : i32x4.add(x1, y1);
    const out0 = i32x4.add(requantizeLanes(sum0, multiplier, scale), zeroPoint);
    const out1 = i32x4.add(requantizeLanes(sum1, multiplier, scale), zeroPoint);
    storeBytes(output + i, narrow(out0, out1, low, high), count - i);
    a += step1 << 3;
    b += step2 << 3;
  }
}
