import { ThumbnetError } from "../errors.ts";
import { elementCount, formatShape } from "../graph/shape.ts";
import { readWhole } from "./files.ts";

const TYPES = {
  "|u1": { bytes: 1, create: Uint8Array },
  "|i1": { bytes: 1, create: Int8Array },
  "<i4": { bytes: 4, create: Int32Array },
  "<i8": { bytes: 8, create: BigInt64Array },
  "<f4": { bytes: 4, create: Float32Array },
} as const;

export interface NpyArray {
  readonly shape: readonly number[];
  /** In row-major order; int64 as they are. */
  readonly data: Uint8Array | Int8Array | Int32Array | BigInt64Array | Float32Array;
}

/** `uint8`, `float32`, … */
export const npyType = (data: NpyArray["data"]): string =>
  data.constructor.name.replace(/^Big|Array$/g, "").toLowerCase();

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/**
 * Parses a NumPy file (format versions 1 to 3): uint8, int8, int32, int64 or float32, little-endian, row-major.
 *
 * @param name what error messages call the file
 * @throws ThumbnetError when it is something else, or cut off
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyArray {
  const fail = (problem: string) => new ThumbnetError(`${name}: ${problem}`);
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw fail("is not a .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw fail(`has version ${version}; supported: 1 to 3`);
  const start = version === 1 ? 10 : 12;
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length) throw fail("is cut off in its header");
  const header = new TextDecoder().decode(bytes.subarray(start, end));
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const shapeText = /'shape':\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (descr === undefined || shapeText === undefined) throw fail("has a header that names no type or shape");
  if (!/'fortran_order':\s*False/.test(header)) throw fail("is in column order; supported: row order");
  if (!Object.hasOwn(TYPES, descr)) {
    throw fail(`has elements of type ${descr}; supported: ${Object.keys(TYPES).join(", ")}`);
  }
  const type = TYPES[descr as keyof typeof TYPES];
  const shape = shapeText.split(",").flatMap((part) => (part.trim() === "" ? [] : [Number(part)]));
  const count = elementCount(shape);
  if (bytes.length - end !== count * type.bytes) {
    const found = `${formatShape(shape)} of ${descr} takes ${count * type.bytes} bytes`;
    throw fail(`has ${bytes.length - end} bytes after its header; ${found}`);
  }
  // A copy where the content is not aligned as its elements must be.
  const content = (bytes.byteOffset + end) % type.bytes === 0 ? bytes.subarray(end) : bytes.slice(end);
  return { shape, data: new type.create(content.buffer as ArrayBuffer, content.byteOffset, count) };
}

/** Reads a NumPy file. See `parseNpy`. */
export async function readNpy(path: string): Promise<NpyArray> {
  return parseNpy(await readWhole(path), path);
}

/**
 * Reads class labels: one dimension, integers from 0.
 *
 * @param count how many there must be
 * @param classes how many classes there are
 * @throws ThumbnetError naming the first that is wrong
 */
export async function readNpyLabels(path: string, count: number, classes: number): Promise<Uint16Array> {
  const { shape, data } = await readNpy(path);
  if (shape.length !== 1 || shape[0] !== count) {
    throw new ThumbnetError(`${path}: has the shape ${formatShape(shape)}; there are ${count} inputs`);
  }
  if (data instanceof Float32Array) throw new ThumbnetError(`${path}: holds floats; labels are integers`);
  return Uint16Array.from({ length: count }, (_, i) => {
    const label = Number(data[i]);
    if (label >= 0 && label < classes) return label;
    throw new ThumbnetError(`${path}: label ${i} is ${label}; with ${classes} classes: 0 to ${classes - 1}`);
  });
}
