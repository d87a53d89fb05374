/** Operators that work on one element (or one pair) at a time, on plain integers. */
import { elementCount } from "../../src/graph/shape.ts";
import { clamp, requantize, roundAway } from "./arithmetic.ts";
import type { ActivationRange } from "./windows.ts";

/** Two operands whose shapes broadcast (aligned at the last dimension). */
interface BinaryCall extends ActivationRange {
  readonly input1Shape: readonly number[];
  readonly input2Shape: readonly number[];
  readonly input1: Int8Array;
  readonly input2: Int8Array;
  readonly input1ZeroPoint: number;
  readonly input2ZeroPoint: number;
  readonly outputZeroPoint: number;
  readonly outputMultiplier: number;
  readonly outputShift: number;
}

export interface AddCall extends BinaryCall {
  /** 20 for int8: both operands are shifted left by it before they are rescaled. */
  readonly leftShift: number;
  readonly input1Multiplier: number;
  readonly input1Shift: number;
  readonly input2Multiplier: number;
  readonly input2Shift: number;
}

export type MulCall = BinaryCall;

/** int8 or uint8 to other scales and zero points: QUANTIZE, and RELU with its clamp. */
export interface RescaleCall {
  readonly input: Int8Array | Uint8Array;
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  readonly multiplier: number;
  readonly shift: number;
}

/** The shape that two shapes broadcast to. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const fromA = a[i - (rank - a.length)] ?? 1;
    const fromB = b[i - (rank - b.length)] ?? 1;
    if (fromA !== fromB && fromA !== 1 && fromB !== 1) {
      throw new RangeError(`shapes [${a}] and [${b}] do not broadcast`);
    }
    return fromA === 1 ? fromB : fromA;
  });
}

/** Index into a tensor of `shape` of the element that broadcasts to element `index` of `outputShape`. */
function broadcastIndex(index: number, outputShape: readonly number[], shape: readonly number[]): number {
  let rest = index;
  let result = 0;
  let stride = 1;
  for (let i = outputShape.length - 1; i >= 0; i--) {
    const position = rest % outputShape[i]!;
    rest = Math.floor(rest / outputShape[i]!);
    const size = shape[i - (outputShape.length - shape.length)] ?? 1;
    if (size !== 1) result += position * stride;
    stride *= size;
  }
  return result;
}

function binary(call: BinaryCall, combine: (a: number, b: number) => number): Int8Array {
  const shape = broadcastShape(call.input1Shape, call.input2Shape);
  return Int8Array.from({ length: elementCount(shape) }, (_, i) => {
    const a = call.input1[broadcastIndex(i, shape, call.input1Shape)]! - call.input1ZeroPoint;
    const b = call.input2[broadcastIndex(i, shape, call.input2Shape)]! - call.input2ZeroPoint;
    const scaled = requantize(combine(a, b), call.outputMultiplier, call.outputShift);
    return clamp((scaled + call.outputZeroPoint) | 0, call.activationMin, call.activationMax);
  });
}

export function add(call: AddCall): Int8Array {
  const { leftShift } = call;
  return binary(
    call,
    (a, b) =>
      (requantize(a << leftShift, call.input1Multiplier, call.input1Shift) +
        requantize(b << leftShift, call.input2Multiplier, call.input2Shift)) |
      0,
  );
}

export function sub(call: AddCall): Int8Array {
  const { leftShift } = call;
  return binary(
    call,
    (a, b) =>
      (requantize(a << leftShift, call.input1Multiplier, call.input1Shift) -
        requantize(b << leftShift, call.input2Multiplier, call.input2Shift)) |
      0,
  );
}

export function mul(call: MulCall): Int8Array {
  return binary(call, (a, b) => a * b);
}

function rescale(call: RescaleCall, value: number): number {
  const scaled = requantize(value - call.inputZeroPoint, call.multiplier, call.shift);
  return (scaled + call.outputZeroPoint) | 0;
}

export function relu(call: RescaleCall & { readonly input: Int8Array }): Int8Array {
  return call.input.map((value) => clamp(rescale(call, value), call.outputZeroPoint, 127));
}

/** Only a clamp between the quantised 0 and 6 of the input; the output's scale is not looked at. */
export function relu6(input: Int8Array, zero: number, six: number): Int8Array {
  return input.map((value) => clamp(value, zero, six));
}

export function quantizeToInt8(call: RescaleCall): Int8Array {
  return Int8Array.from(call.input, (value) => clamp(rescale(call, value), -128, 127));
}

export function quantizeToUint8(call: RescaleCall): Uint8Array {
  return Uint8Array.from(call.input, (value) => clamp(rescale(call, value), 0, 255));
}

/** NaN gives the zero point; what is out of range, infinities too, saturates. */
export function quantizeFloats(input: Float32Array, scale: number, zeroPoint: number): Int8Array {
  return Int8Array.from(input, (value) => {
    const quotient = Math.fround(value / scale);
    return Number.isNaN(quotient) ? zeroPoint : clamp(roundAway(quotient) + zeroPoint, -128, 127);
  });
}

export function dequantize(input: Int8Array | Uint8Array, scale: number, zeroPoint: number): Float32Array {
  return Float32Array.from(input, (value) => Math.fround(scale * (value - zeroPoint)));
}
