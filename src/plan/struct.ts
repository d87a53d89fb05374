import { ThumbnetError } from "../errors.ts";
import type { FieldType, StructLayout } from "./layout.ts";

const RANGES: Record<Exclude<FieldType, "f32">, readonly [number, number]> = {
  u8: [0, 0xff],
  i8: [-0x80, 0x7f],
  u16: [0, 0xffff],
  i16: [-0x8000, 0x7fff],
  u32: [0, 0xffffffff],
  i32: [-0x80000000, 0x7fffffff],
  operand: [0, 0xffffffff],
  constant: [0, 0xffffffff],
};

const READ: Record<FieldType, (view: DataView, at: number) => number> = {
  u8: (v, at) => v.getUint8(at),
  i8: (v, at) => v.getInt8(at),
  u16: (v, at) => v.getUint16(at, true),
  i16: (v, at) => v.getInt16(at, true),
  u32: (v, at) => v.getUint32(at, true),
  i32: (v, at) => v.getInt32(at, true),
  f32: (v, at) => v.getFloat32(at, true),
  operand: (v, at) => v.getUint32(at, true),
  constant: (v, at) => v.getUint32(at, true),
};

const WRITE: Record<FieldType, (view: DataView, at: number, value: number) => void> = {
  u8: (v, at, x) => v.setUint8(at, x),
  i8: (v, at, x) => v.setInt8(at, x),
  u16: (v, at, x) => v.setUint16(at, x, true),
  i16: (v, at, x) => v.setInt16(at, x, true),
  u32: (v, at, x) => v.setUint32(at, x, true),
  i32: (v, at, x) => v.setInt32(at, x, true),
  f32: (v, at, x) => v.setFloat32(at, x, true),
  operand: (v, at, x) => v.setUint32(at, x, true),
  constant: (v, at, x) => v.setUint32(at, x, true),
};

/**
 * Writes the given fields; the others stay as they are.
 *
 * @throws ThumbnetError when a value is no integer of its field's range
 */
export function writeStruct(
  view: DataView,
  at: number,
  layout: StructLayout,
  values: Readonly<Record<string, number>>,
): void {
  const { fields } = layout;
  // By index, without patterns: iterators take time in code that has not run often.
  for (let i = 0; i < fields.length; i++) {
    const { name, type, offset } = fields[i]!;
    const value = values[name];
    if (value === undefined) continue;
    if (type !== "f32") {
      const range = RANGES[type];
      if (!Number.isInteger(value) || value < range[0] || value > range[1]) {
        throw new ThumbnetError(`${name} is ${value}, supported are ${range[0]} to ${range[1]}`);
      }
    }
    WRITE[type](view, at + offset, value);
  }
}

export function readStruct<F extends Readonly<Record<string, FieldType>>>(
  view: DataView,
  at: number,
  layout: StructLayout,
): { [K in keyof F]: number } {
  const values: Record<string, number> = {};
  for (const { name, type, offset } of layout.fields) values[name] = READ[type](view, at + offset);
  return values as { [K in keyof F]: number };
}
