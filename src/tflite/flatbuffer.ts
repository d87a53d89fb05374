/**
 * FlatBuffers driven by descriptions: one decoder and one encoder for every table of a schema.
 *
 * Wire format: https://flatbuffers.dev/internals/. A table starts with the distance back to its vtable, which
 * holds for each slot the field's offset in the table (0 = absent); what is not a scalar is stored elsewhere
 * and the field holds the distance forward to it. Everything is little-endian.
 */
import { ThumbnetError } from "../errors.ts";

/** Scalar types: bytes, and the name of their DataView accessor. */
const SCALARS = {
  bool: [1, "Uint8"],
  i8: [1, "Int8"],
  u8: [1, "Uint8"],
  i16: [2, "Int16"],
  i32: [4, "Int32"],
  u32: [4, "Uint32"],
  i64: [8, "BigInt64"],
  u64: [8, "BigUint64"],
  f32: [4, "Float32"],
} as const;

export type Scalar = keyof typeof SCALARS;

/**
 * What a field holds:
 * - a scalar, or `"string"` (UTF-8);
 * - `"opaque"`: anything; only its presence is told, and it cannot be written;
 * - `[element]`: a vector of scalars, strings or tables;
 * - `["union", members]`: a union, its tables by type code. It takes two slots, type and value;
 * - a table description.
 */
export type FieldType =
  | Scalar
  | "string"
  | "opaque"
  | readonly [Scalar | "string" | Table]
  | readonly ["union", { readonly [code: number]: Table }]
  | Table;

/** A field's slot in the vtable, its type and, for a scalar, the value that an absent field has (0). */
export type Field = readonly [slot: number, type: FieldType, initial?: number | boolean];

export interface Table {
  readonly [field: string]: Field;
}

/** A union's value. `table` is null where the file names a type but holds no table. */
export interface Union {
  type: number;
  table: DecodedTable<Table> | null;
}

type DecodedScalar<T> = T extends "bool" ? boolean : T extends "i64" | "u64" ? bigint : number;

type DecodedElement<T> = T extends Scalar
  ? DecodedScalar<T>
  : T extends "string"
    ? string
    : T extends Table
      ? DecodedTable<T>
      : never;

type Decoded<T> = T extends Scalar
  ? DecodedScalar<T>
  : T extends "string"
    ? string | null
    : T extends "opaque"
      ? boolean
      : T extends readonly ["u8"]
        ? Uint8Array | null
        : T extends readonly [infer E]
          ? DecodedElement<E>[] | null
          : T extends readonly ["union", unknown]
            ? Union | null
            : T extends Table
              ? DecodedTable<T> | null
              : never;

/**
 * A table as a plain object: every described field is there, null where a string, vector or table is absent.
 * 64-bit integers are bigint; a vector of u8 is a Uint8Array, any other an array.
 */
export type DecodedTable<T extends Table> = { -readonly [K in keyof T]: Decoded<T[K][1]> } & {
  /** Slots that the data has and the description has not. Such a table cannot be written. */
  undescribed?: number[];
};

const isScalar = (type: FieldType): type is Scalar => typeof type === "string" && type in SCALARS;

const isUnion = (type: FieldType): type is readonly ["union", { readonly [code: number]: Table }] =>
  Array.isArray(type) && type.length === 2;

// Fields are not taken apart by patterns: those go by iterators, and a model has thousands of fields.

function absentValue(field: Field): unknown {
  const type = field[1];
  const initial = field[2];
  if (type === "bool" || type === "opaque") return initial ?? false;
  if (!isScalar(type)) return null;
  return type === "i64" || type === "u64" ? BigInt(initial ?? 0) : (initial ?? 0);
}

/** A table of which only some fields are given; the others are absent, or have the schema's initial value. */
export function createTable<T extends Table>(table: T, fields: Partial<DecodedTable<T>>): DecodedTable<T> {
  const empty = Object.entries(table).map(([name, field]) => [name, absentValue(field)]);
  return { ...Object.fromEntries(empty), ...fields };
}

function getScalar(view: DataView, at: number, type: Scalar): number | bigint | boolean {
  const value = view[`get${SCALARS[type][1]}`](at, true);
  return type === "bool" ? value !== 0 : value;
}

function undescribedSlots(table: Table, slots: number): number[] {
  const described = new Set(
    Object.values(table).flatMap(([slot, type]) => (isUnion(type) ? [slot, slot + 1] : [slot])),
  );
  return Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !described.has(slot));
}

function floats(view: DataView, start: number, length: number): number[] {
  const values = Array<number>(length);
  for (let i = 0; i < length; i++) values[i] = view.getFloat32(start + 4 * i, true);
  return values;
}

/** Nearly all are zero points of 0: no bigint is made for those. */
function longs(view: DataView, start: number, length: number): bigint[] {
  const values = Array<bigint>(length).fill(0n);
  for (let i = 0, at = start; i < length; i++, at += 8) {
    const isZero = (view.getInt32(at, true) | view.getInt32(at + 4, true)) === 0;
    if (!isZero) values[i] = view.getBigInt64(at, true);
  }
  return values;
}

/** Deepest nesting of tables; no schema that makes sense comes near it. */
const MAX_DEPTH = 32;

/**
 * Decodes a flatbuffer. Safe on any bytes: every offset is checked, and what is decoded (shared parts counted
 * each time they are met) is at most a few times the file's size, so time and memory are bounded by it.
 *
 * The result shares no memory with `bytes`.
 *
 * @param identifier the four characters at byte 4
 * @param name what messages call the file
 * @throws ThumbnetError saying what is wrong at which byte
 */
export function decode<T extends Table>(
  bytes: Uint8Array,
  root: T,
  identifier: string,
  name: string,
): DecodedTable<T> {
  // Not bytes.slice(): that of a Node Buffer would share memory.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  // An honest file spends at most its size, and as much again for vtables that tables share.
  let budget = 4 * data.length;

  function fail(what: string, at: number, problem: string): never {
    throw new ThumbnetError(`${name}: not a valid ${identifier} file: ${what} at byte ${at} ${problem}`);
  }

  function claim(what: string, at: number, length: number): void {
    if (at < 0 || at + length > data.length) {
      fail(what, at, `(${length} bytes) lies outside the file (${data.length} bytes)`);
    }
    budget -= length;
    if (budget < 0) fail(what, at, "is one part too many: the file uses its bytes over and over");
  }

  function target(what: string, at: number): number {
    const distance = view.getUint32(at, true);
    if (distance === 0) fail(what, at, "is an offset of 0");
    return at + distance;
  }

  function readVector(what: string, at: number, element: Scalar | "string" | Table, depth: number): unknown {
    claim(what, at, 4);
    const length = view.getUint32(at, true);
    const width = isScalar(element) ? SCALARS[element][0] : 4;
    const start = at + 4;
    claim(what, start, length * width);
    if (element === "u8") return data.slice(start, start + length);
    // Models have thousands of these.
    if (element === "f32") return floats(view, start, length);
    if (element === "i64") return longs(view, start, length);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(readValue(what, start + i * width, element, depth));
    return values;
  }

  function readValue(what: string, at: number, type: FieldType, depth: number): unknown {
    if (isScalar(type)) return getScalar(view, at, type);
    if (type === "opaque") return true;
    const start = target(what, at);
    if (type === "string") return text.decode(readVector(what, start, "u8", depth) as Uint8Array);
    return Array.isArray(type)
      ? readVector(what, start, type[0], depth)
      : readTable(what, start, type as Table, depth + 1);
  }

  function readTable<D extends Table>(what: string, at: number, table: D, depth: number): DecodedTable<D> {
    if (depth > MAX_DEPTH) fail(what, at, "is nested too deep");
    claim(what, at, 4);
    const vtable = at - view.getInt32(at, true);
    claim(`the vtable of ${what}`, vtable, 4);
    const vtableSize = view.getUint16(vtable, true);
    const tableSize = view.getUint16(vtable + 2, true);
    if (vtableSize < 4 || vtableSize % 2 !== 0 || tableSize < 4) fail(what, at, "has a damaged vtable");
    claim(`the vtable of ${what}`, vtable, vtableSize);
    claim(what, at, tableSize);

    const slots = (vtableSize - 4) / 2;
    const offsetOf = (slot: number) => (slot < slots ? view.getUint16(vtable + 4 + 2 * slot, true) : 0);
    let described = 0;
    /** Where the slot's value lies; 0 where it is absent. */
    function locate(field: string, slot: number, width: number): number {
      const offset = offsetOf(slot);
      if (offset === 0) return 0;
      if (offset < 4 || offset + width > tableSize) fail(field, at, "lies outside its table");
      described++;
      return at + offset;
    }

    const result: Record<string, unknown> = {};
    for (const key in table) {
      const field = table[key]!;
      const slot = field[0];
      const type = field[1];
      if (isUnion(type)) {
        const typeAt = locate(key, slot, 1);
        const valueAt = locate(key, slot + 1, 4);
        const code = typeAt === 0 ? 0 : view.getUint8(typeAt);
        const member = type[1][code] ?? {};
        result[key] =
          code === 0
            ? null
            : { type: code, table: valueAt === 0 ? null : readValue(key, valueAt, member, depth) };
      } else {
        const width = isScalar(type) ? SCALARS[type][0] : type === "opaque" ? 0 : 4;
        const valueAt = locate(key, slot, width);
        result[key] = valueAt === 0 ? absentValue(field) : readValue(key, valueAt, type, depth);
      }
    }
    let present = 0;
    for (let slot = 0; slot < slots; slot++) present += Number(offsetOf(slot) !== 0);
    if (present !== described) result.undescribed = undescribedSlots(table, slots).filter(offsetOf);
    return result as DecodedTable<D>;
  }

  claim("the header", 0, 8);
  if (text.decode(data.slice(4, 8)) !== identifier) fail("the identifier", 4, `is not ${identifier}`);
  return readTable("the root table", target("the root table", 0), root, 0);
}

/**
 * Encodes a flatbuffer: scalars aligned to their size, vectors of u8 to 16 bytes, the same vtable stored once.
 * Scalars that have their initial value are left out, as other encoders do.
 *
 * @throws ThumbnetError naming the field whose value its type cannot hold, or that came from data which the
 *   description does not cover; or where the result would pass 2 GiB
 */
export function encode<T extends Table>(root: T, value: DecodedTable<T>, identifier: string): Uint8Array {
  let bytes = new Uint8Array(4096);
  let view = new DataView(bytes.buffer);
  let end = 8;
  const vtables = new Map<string, number>();

  /** Makes room for `length` zero bytes such that byte `aligned` of them lies at a multiple of `alignment`. */
  function reserve(length: number, alignment: number, aligned = 0): number {
    const start = Math.ceil((end + aligned) / alignment) * alignment - aligned;
    end = start + length;
    if (end > 0x7fffffff) throw new ThumbnetError("cannot write a flatbuffer of more than 2 GiB");
    if (end > bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * bytes.length));
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    return start;
  }

  function putScalar(path: string, at: number, type: Scalar, value: unknown): void {
    const set = view[`set${SCALARS[type][1]}`] as (at: number, value: unknown, littleEndian: boolean) => void;
    // A bigint field given a number, or the other way round, throws a TypeError of its own.
    const fits = typeof value === (type === "bool" ? "boolean" : /64/.test(type) ? "bigint" : "number");
    if (fits) set.call(view, at, value, true);
    const stored = getScalar(view, at, type);
    if (!fits || !(stored === value || Number.isNaN(value))) {
      throw new ThumbnetError(`cannot write ${path}: ${String(value)} is no ${type}`);
    }
  }

  function putVector(path: string, element: Scalar | "string" | Table, values: ArrayLike<unknown>): number {
    const width = isScalar(element) ? SCALARS[element][0] : 4;
    const alignment = element === "u8" ? 16 : Math.max(4, width);
    const start = reserve(4 + values.length * width, alignment, 4) + 4;
    view.setUint32(start - 4, values.length, true);
    if (values instanceof Uint8Array) bytes.set(values, start);
    else {
      for (let i = 0; i < values.length; i++) put(`${path}[${i}]`, start + i * width, element, values[i]);
    }
    return start - 4;
  }

  function putString(text: string): number {
    const encoded = new TextEncoder().encode(text);
    const start = reserve(4 + encoded.length + 1, 4); // and a NUL after it
    view.setUint32(start, encoded.length, true);
    bytes.set(encoded, start + 4);
    return start;
  }

  /** Writes a value at `at`: a scalar itself, for all else the distance to it. */
  function put(path: string, at: number, type: FieldType, value: unknown): void {
    if (isScalar(type)) {
      putScalar(path, at, type, value);
      return;
    }
    const start =
      type === "string"
        ? putString(value as string)
        : Array.isArray(type)
          ? putVector(path, type[0], value as ArrayLike<unknown>)
          : putTable(path, type as Table, value as DecodedTable<Table>);
    view.setUint32(at, start - at, true);
  }

  function putTable(path: string, table: Table, value: DecodedTable<Table>): number {
    const opaque = Object.keys(table).filter((key) => table[key]![1] === "opaque" && value[key]);
    const lost = [
      ...opaque,
      ...((value.undescribed as number[] | undefined) ?? []).map((slot) => `slot ${slot}`),
    ];
    if (lost.length > 0) {
      throw new ThumbnetError(
        `cannot write ${path}: thumbnet does not know the content of ${lost.join(", ")}`,
      );
    }

    const present: { path: string; slot: number; width: number; type: FieldType; value: unknown }[] = [];
    for (const [key, field] of Object.entries(table)) {
      const [slot, type] = field;
      const content: unknown = value[key];
      const inner = `${path}.${key}`;
      if (isUnion(type)) {
        const union = content as Union | null;
        if (union === null) continue;
        present.push({ path: inner, slot, width: 1, type: "u8", value: union.type });
        const member = type[1][union.type] ?? {};
        if (union.table !== null) {
          present.push({ path: inner, slot: slot + 1, width: 4, type: member, value: union.table });
        }
      } else if (!Object.is(content, absentValue(field))) {
        present.push({
          path: inner,
          slot,
          width: isScalar(type) ? SCALARS[type][0] : 4,
          type,
          value: content,
        });
      }
    }
    present.sort((a, b) => b.width - a.width);

    let size = 4;
    const vtable = [0, 0];
    const offsets = present.map(({ slot, width }) => {
      const offset = Math.ceil(size / width) * width;
      size = offset + width;
      while (vtable.length < slot + 3) vtable.push(0);
      vtable[slot + 2] = offset;
      return offset;
    });
    vtable[0] = 2 * vtable.length;
    vtable[1] = size;
    const key = vtable.join();
    let vtableAt = vtables.get(key);
    if (vtableAt === undefined) {
      vtableAt = reserve(vtable[0], 2);
      for (const [i, entry] of vtable.entries()) view.setUint16(vtableAt + 2 * i, entry, true);
      vtables.set(key, vtableAt);
    }
    const start = reserve(size, present[0]?.width === 8 ? 8 : 4);
    view.setInt32(start, start - vtableAt, true);
    for (const [i, field] of present.entries()) put(field.path, start + offsets[i]!, field.type, field.value);
    return start;
  }

  bytes.set(new TextEncoder().encode(identifier), 4);
  const start = putTable("model", root, value as DecodedTable<Table>);
  view.setUint32(0, start, true);
  return bytes.slice(0, end);
}
