import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { type OutputData, quantize, storedType, type TensorInfo } from "../runtime/tensors.ts";

/** What the elements of a raw file are. */
export type RawType = "int8" | "uint8" | "float32";

export const RAW_TYPES: readonly RawType[] = ["int8", "uint8", "float32"];

const BYTES: Readonly<Record<RawType, number>> = { int8: 1, uint8: 1, float32: 4 };

/** Bytes that one input takes in a raw file. */
export function rawBytes(type: RawType, info: TensorInfo): number {
  return BYTES[type] * info.elements;
}

/**
 * How many inputs a raw file of a length holds, one after the other.
 *
 * @throws ThumbnetError when the length is no whole multiple
 */
export function rawCount(path: string, length: number, type: RawType, info: TensorInfo): number {
  const each = rawBytes(type, info);
  if (length % each === 0) return length / each;
  const takes = `input "${info.name}" ${formatShape(info.shape)} takes ${each} bytes of ${type}`;
  throw new ThumbnetError(`${path}: has ${length} bytes; ${takes}, or a whole multiple`);
}

/**
 * The stored values of raw bytes: uint8 minus 128 for an int8 input (int8 plus 128 for a uint8 one); float32,
 * little-endian, is quantised with the input's scale and zero point.
 *
 * @throws ThumbnetError when a float is NaN
 */
export function decodeRaw(bytes: Uint8Array, type: RawType, info: TensorInfo): OutputData {
  const stored = storedType(info);
  if (type === "float32") {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
    return quantize(values, info);
  }
  // Adding or subtracting 128 turns the top bit, and nothing else.
  const values = type === stored ? bytes : bytes.map((byte) => byte ^ 0x80);
  return stored === "uint8" ? values : new Int8Array(values.buffer, values.byteOffset, values.length);
}

/** What `decodeRaw` does, for people. */
export function describeRaw(type: RawType, info: TensorInfo): string {
  if (type === "float32") return `float32, quantised with scale ${info.scale}, zero point ${info.zeroPoint}`;
  const stored = storedType(info);
  if (type === stored) return `${type}, as the model takes it`;
  return type === "uint8" ? "uint8, minus 128" : "int8, plus 128";
}
