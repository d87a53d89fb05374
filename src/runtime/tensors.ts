import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import type { ImageTensor } from "../plan/image.ts";
import { clamp, roundAway } from "../plan/multiplier.ts";

/** An input or output of a model. */
export interface TensorInfo {
  readonly name: string;
  /** With the batch as the model file has it, usually 1. */
  readonly shape: readonly number[];
  /**
   * What the model file declares. A `float32` input is quantised, and a `float32` output is left quantised, on
   * this side: the chip computes with the int8 values.
   */
  readonly dtype: "int8" | "uint8" | "float32";
  /** real = scale * (q - zeroPoint) */
  readonly scale: number;
  readonly zeroPoint: number;
  /** Elements of one input or output. */
  readonly elements: number;
}

export type InputData = Int8Array | Uint8Array | Float32Array;
export type OutputData = Int8Array | Uint8Array;

export function tensorInfo(name: string, tensor: ImageTensor): TensorInfo {
  const { shape, dtype, scale, zeroPoint, bytes } = tensor;
  return { name, shape, dtype, scale, zeroPoint, elements: bytes };
}

/** The type of the bytes that stand for a tensor: a float32 one at the edge is int8 inside. */
export function storedType(info: TensorInfo): "int8" | "uint8" {
  return info.dtype === "uint8" ? "uint8" : "int8";
}

/** Room for N outputs, one after the other. */
export function newOutput(info: TensorInfo, batch: number): OutputData {
  const length = info.elements * batch;
  return storedType(info) === "uint8" ? new Uint8Array(length) : new Int8Array(length);
}

/** The largest real value among an output's stored bytes. */
export function largestValue(bytes: Uint8Array, info: TensorInfo): number {
  const isUnsigned = storedType(info) === "uint8";
  let most = Number.NEGATIVE_INFINITY;
  for (const byte of bytes) most = Math.max(most, isUnsigned ? byte : (byte << 24) >> 24);
  return info.scale * (most - info.zeroPoint);
}

/**
 * Quantises real values as tflite-micro's QUANTIZE does: a float32 division, halves away from zero, clamped.
 *
 * @throws ThumbnetError when a value is NaN
 */
export function quantize(values: Float32Array, info: TensorInfo): OutputData {
  const isUnsigned = storedType(info) === "uint8";
  const [min, max] = isUnsigned ? [0, 255] : [-128, 127];
  const out = isUnsigned ? new Uint8Array(values.length) : new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new ThumbnetError(`input "${info.name}": element ${i} is NaN`);
    out[i] = clamp(roundAway(Math.fround(value / info.scale)) + info.zeroPoint, min, max);
  }
  return out;
}

/** The real values of int8 or uint8 data: scale * (q - zeroPoint), in float32. */
export function dequantize(values: OutputData, info: TensorInfo): Float32Array {
  return Float32Array.from(values, (q) => info.scale * (q - info.zeroPoint));
}

/**
 * An input's data as bytes of its stored type.
 *
 * @throws ThumbnetError when type or length do not fit
 */
export function inputBytes(data: InputData, info: TensorInfo): { bytes: Uint8Array; batch: number } {
  const stored = storedType(info);
  const matches = stored === "int8" ? data instanceof Int8Array : data instanceof Uint8Array;
  if (!matches && !(data instanceof Float32Array)) {
    throw new ThumbnetError(
      `input "${info.name}" takes ${stored} (or a Float32Array, which is quantised), not ${typeName(data)}`,
    );
  }
  const batch = data.length / info.elements;
  if (batch < 1 || !Number.isInteger(batch)) {
    throw new ThumbnetError(
      `input "${info.name}" ${formatShape(info.shape)} takes ${info.elements} elements, or a whole multiple for a batch; ${data.length} were given`,
    );
  }
  const q = data instanceof Float32Array ? quantize(data, info) : data;
  return { bytes: new Uint8Array(q.buffer, q.byteOffset, q.byteLength), batch };
}

function typeName(value: unknown): string {
  return value === null || typeof value !== "object" ? typeof value : value.constructor.name;
}

/** Whether data are of the type and length of a view. */
export function isLike(data: InputData | readonly InputData[], view: OutputData): data is OutputData {
  return (
    (data instanceof Int8Array || data instanceof Uint8Array) &&
    data.constructor === view.constructor &&
    data.length === view.length
  );
}

/** A tensor's bytes as the model file declares them: a float32 one is dequantised. */
export function declared(stored: Uint8Array, tensor: ImageTensor): Uint8Array {
  if (tensor.dtype !== "float32") return stored;
  const int8 = new Int8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  return new Uint8Array(dequantize(int8, tensorInfo("", tensor)).buffer);
}
