/**
 * Sum or difference of two int8 tensors that broadcast: both rescaled to a common scale in int32, added or
 * subtracted, rescaled to the output's. The output may lie on an input of its size. See docs/arithmetic.md.
 *
 * Vector path: round(f32(x) * scale1 + f32(y) * scale2 + offset), where that is proven for all 65,536 pairs when the
 * model is loaded; else all three roundings in integers.
 */
import { rowOffset } from "../support/broadcast";
import { CHANNELS, isPlain, narrow, requantizeLanes, roundLanes, storeBytes } from "../support/channels";
import { addressOf } from "../support/operand";
import { AddS8Record } from "../support/records";
import { clamp, requantize } from "../support/requantize";
import { ROUNDER } from "../support/solve";

/** Bits by which both inputs are scaled up before they are rescaled. */
const LEFT_SHIFT: i32 = 20;

/** What was found: whether the float form is exact, and its constants. */
// @ts-ignore: decorator
@unmanaged
class Packed {
  isFloat: i32;
  scale1: f32;
  scale2: f32;
  offset: f32;
}

/** The rescaled value of every int8, for both inputs. */
const rescaled1 = memory.data(1024);
const rescaled2 = memory.data(1024);

export function add_s8_packed_bytes(): usize {
  return ASC_FEATURE_SIMD ? offsetof<Packed>() : 0;
}

// @ts-ignore: decorator
@inline
function outputOf(r: AddS8Record, left: i32, right: i32): i32 {
  const value = requantize(r.subtract ? left - right : left + right, r.outputMultiplier, r.outputShift);
  return clamp(value + r.outputZeroPoint, r.activationMin, r.activationMax);
}

// @ts-ignore: decorator
@inline
function realScale(multiplier: i32, shift: i32): f64 {
  return <f64>multiplier * Math.pow(2.0, <f64>(shift - 31));
}

// @ts-ignore: decorator
@inline
function sumOf(p: Packed, x: i32, y: i32): f32 {
  return <f32>x * p.scale1 + <f32>y * p.scale2;
}

export function add_s8_pack(r: AddS8Record, packed: usize): void {
  if (!ASC_FEATURE_SIMD) return;
  const p = changetype<Packed>(packed);
  for (let q = -128; q < 128; q++) {
    const x = (q - r.inputZeroPoint) << LEFT_SHIFT, y = (q - r.input2ZeroPoint) << LEFT_SHIFT;
    store<i32>(rescaled1 + (<usize>(q + 128) << 2), requantize(x, r.multiplier1, r.shift1));
    store<i32>(rescaled2 + (<usize>(q + 128) << 2), requantize(y, r.multiplier2, r.shift2));
  }
  const common = realScale(r.outputMultiplier, r.outputShift) * <f64>(1 << LEFT_SHIFT);
  p.scale1 = <f32>(realScale(r.multiplier1, r.shift1) * common);
  p.scale2 = <f32>(realScale(r.multiplier2, r.shift2) * common * (r.subtract ? -1.0 : 1.0));
  p.isFloat = i32(findOffset(r, p) && isExact(r, p));
}

/** The middle of what all pairs leave for the offset. */
function findOffset(r: AddS8Record, p: Packed): bool {
  let lower: f64 = -Infinity, upper: f64 = Infinity;
  for (let x = -128; x < 128; x++) {
    const left = load<i32>(rescaled1 + (<usize>(x + 128) << 2));
    for (let y = -128; y < 128; y++) {
      const out = outputOf(r, left, load<i32>(rescaled2 + (<usize>(y + 128) << 2)));
      const sum = <f64>sumOf(p, x, y);
      if (out > r.activationMin) lower = max(lower, <f64>out - 0.5 - sum);
      if (out < r.activationMax) upper = min(upper, <f64>out + 0.5 - sum);
    }
  }
  if (lower > upper || lower == -Infinity || upper == Infinity) return false;
  p.offset = <f32>((lower + upper) * 0.5);
  return true;
}

/** The proof: every pair, by the real float32 sequence. */
function isExact(r: AddS8Record, p: Packed): bool {
  for (let x = -128; x < 128; x++) {
    const left = load<i32>(rescaled1 + (<usize>(x + 128) << 2));
    for (let y = -128; y < 128; y++) {
      const out = outputOf(r, left, load<i32>(rescaled2 + (<usize>(y + 128) << 2)));
      const value = sumOf(p, x, y) + p.offset;
      if (abs(value) >= 4194304.0) return false;
      if (clamp(<i32>(value + ROUNDER - ROUNDER), r.activationMin, r.activationMax) != out) return false;
    }
  }
  return true;
}

export function add_s8(r: AddS8Record, image: usize, arena: usize, packed: usize): void {
  const input1 = addressOf(r.input, image, arena);
  const input2 = addressOf(r.input2, image, arena);
  let output = addressOf(r.output, image, arena);
  const step1 = <usize>((r.broadcast1 >> 3) & 1 ^ 1);
  const step2 = <usize>((r.broadcast2 >> 3) & 1 ^ 1);
  const canShift = !isPlain(r.shift1) && !isPlain(r.shift2) && !isPlain(r.outputShift);
  for (let i0 = 0; i0 < <i32>r.dim0; i0++) {
    for (let i1 = 0; i1 < <i32>r.dim1; i1++) {
      for (let i2 = 0; i2 < <i32>r.dim2; i2++) {
        const a = input1 + rowOffset(r.broadcast1, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        const b = input2 + rowOffset(r.broadcast2, r.dim1, r.dim2, r.dim3, i0, i1, i2);
        if (ASC_FEATURE_SIMD) {
          if (changetype<Packed>(packed).isFloat) rowFloat(r, changetype<Packed>(packed), a, step1, b, step2, output);
          else if (canShift) rowInteger(r, a, step1, b, step2, output);
          else rowPlain(r, a, step1, b, step2, output);
        } else {
          rowPlain(r, a, step1, b, step2, output);
        }
        output += r.dim3;
      }
    }
  }
}

function rowPlain(r: AddS8Record, a: usize, step1: usize, b: usize, step2: usize, output: usize): void {
  for (let i = 0; i < <i32>r.dim3; i++) {
    const x = (<i32>load<i8>(a) - r.inputZeroPoint) << LEFT_SHIFT;
    const y = (<i32>load<i8>(b) - r.input2ZeroPoint) << LEFT_SHIFT;
    const left = requantize(x, r.multiplier1, r.shift1);
    store<i8>(output + i, <i8>outputOf(r, left, requantize(y, r.multiplier2, r.shift2)));
    a += step1;
    b += step2;
  }
}

/** Eight elements, or one repeated, as int16. */
// @ts-ignore: decorator
@inline
function eight(address: usize, step: usize): v128 {
  return step ? v128.load_ext<i8>(address) : i16x8.splat(load<i8>(address));
}

// @ts-ignore: decorator
@inline
function floatSum(x: v128, y: v128, scale1: v128, scale2: v128, offset: v128): v128 {
  const products = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(x), scale1), f32x4.mul(f32x4.convert_i32x4_s(y), scale2));
  return roundLanes(f32x4.add(products, offset));
}

function rowFloat(r: AddS8Record, p: Packed, a: usize, step1: usize, b: usize, step2: usize, output: usize): void {
  const count = <i32>r.dim3;
  const scale1 = f32x4.splat(p.scale1), scale2 = f32x4.splat(p.scale2), offset = f32x4.splat(p.offset);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  for (let i = 0; i < count; i += CHANNELS) {
    const x = eight(a, step1), y = eight(b, step2);
    const out0 = floatSum(i32x4.extend_low_i16x8_s(x), i32x4.extend_low_i16x8_s(y), scale1, scale2, offset);
    const out1 = floatSum(i32x4.extend_high_i16x8_s(x), i32x4.extend_high_i16x8_s(y), scale1, scale2, offset);
    storeBytes(output + i, narrow(out0, out1, low, high), count - i);
    a += step1 << 3;
    b += step2 << 3;
  }
}

// @ts-ignore: decorator
@inline
function rescale(x: v128, multiplier: v128, scale: v128): v128 {
  return requantizeLanes(i32x4.shl(x, LEFT_SHIFT), multiplier, scale);
}

function rowInteger(r: AddS8Record, a: usize, step1: usize, b: usize, step2: usize, output: usize): void {
  const count = <i32>r.dim3;
  const zeroPoint1 = i16x8.splat(r.inputZeroPoint), zeroPoint2 = i16x8.splat(r.input2ZeroPoint);
  const multiplier1 = i32x4.splat(r.multiplier1), scale1 = i32x4.splat(1 << (30 + r.shift1));
  const multiplier2 = i32x4.splat(r.multiplier2), scale2 = i32x4.splat(1 << (30 + r.shift2));
  const multiplier = i32x4.splat(r.outputMultiplier), scale = i32x4.splat(1 << (30 + r.outputShift));
  const zeroPoint = i32x4.splat(r.outputZeroPoint);
  const low = i8x16.splat(r.activationMin), high = i8x16.splat(r.activationMax);
  for (let i = 0; i < count; i += CHANNELS) {
    const x = i16x8.sub(eight(a, step1), zeroPoint1);
    const y = i16x8.sub(eight(b, step2), zeroPoint2);
    const x0 = rescale(i32x4.extend_low_i16x8_s(x), multiplier1, scale1);
    const x1 = rescale(i32x4.extend_high_i16x8_s(x), multiplier1, scale1);
    const y0 = rescale(i32x4.extend_low_i16x8_s(y), multiplier2, scale2);
    const y1 = rescale(i32x4.extend_high_i16x8_s(y), multiplier2, scale2);
    const sum0 = r.subtract ? i32x4.sub(x0, y0) : i32x4.add(x0, y0);
    const sum1 = r.subtract ? i32x4.sub(x1, y1) : i32x4.add(x1, y1);
    const out0 = i32x4.add(requantizeLanes(sum0, multiplier, scale), zeroPoint);
    const out1 = i32x4.add(requantizeLanes(sum1, multiplier, scale), zeroPoint);
    storeBytes(output + i, narrow(out0, out1, low, high), count - i);
    a += step1 << 3;
    b += step2 << 3;
  }
}
