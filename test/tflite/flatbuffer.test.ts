import { describe, expect, it } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { createTable, type DecodedTable, decode, encode, type Table } from "../../src/tflite/flatbuffer.ts";

const LEAF = { name: [0, "string"], big: [1, "i64"] } as const satisfies Table;
const EVERYTHING = {
  bool: [0, "bool"],
  on: [1, "bool", true],
  i8: [2, "i8"],
  u8: [3, "u8"],
  i16: [4, "i16"],
  i32: [5, "i32", -1],
  u32: [6, "u32"],
  i64: [7, "i64"],
  u64: [8, "u64", 7],
  f32: [9, "f32"],
  text: [10, "string"],
  bytes: [11, ["u8"]],
  flags: [12, ["bool"]],
  longs: [13, ["i64"]],
  floats: [14, ["f32"]],
  words: [15, ["string"]],
  leaf: [16, LEAF],
  leaves: [17, [LEAF]],
  choice: [18, ["union", { 2: LEAF }]],
  last: [25, "i32"],
} as const satisfies Table;

const full = createTable(EVERYTHING, {
  bool: true,
  on: false,
  i8: -128,
  u8: 255,
  i16: -32768,
  i32: -(2 ** 31),
  u32: 2 ** 32 - 1,
  i64: -(2n ** 63n),
  u64: 2n ** 64n - 1n,
  f32: Math.fround(0.1),
  text: "\ufeffgrün, 測試",
  bytes: Uint8Array.of(1, 2, 3),
  flags: [true, false],
  longs: [-1n, 2n ** 40n],
  floats: [1.5, Number.NaN, -0, Number.POSITIVE_INFINITY],
  words: ["", "a"],
  leaf: createTable(LEAF, { name: "leaf", big: 5n }),
  leaves: [createTable(LEAF, {}), createTable(LEAF, { name: "" })],
  choice: { type: 2, table: createTable(LEAF, { name: "chosen" }) },
  last: 1,
});

const write = (value: DecodedTable<typeof EVERYTHING>) => encode(EVERYTHING, value, "TEST");
const read = (bytes: Uint8Array) => decode(bytes, EVERYTHING, "TEST", "file");

/** Bytes of little-endian 32-bit words, with the identifier as the second. */
function words(...values: number[]): Uint8Array {
  const [root, ...rest] = values;
  return new Uint8Array(Uint32Array.from([root!, 0x54534554, ...rest]).buffer);
}

describe("round trip", () => {
  it("keeps every type, and tells absent from empty", () => {
    expect(read(write(full))).toEqual(full);
    const empty = createTable(EVERYTHING, {
      text: "",
      bytes: new Uint8Array(0),
      longs: [],
      words: [],
      leaves: [],
    });
    expect(read(write(empty))).toEqual(empty);
    const absent = createTable(EVERYTHING, {});
    expect(absent).toMatchObject({
      on: true,
      i32: -1,
      u64: 7n,
      i64: 0n,
      text: null,
      leaf: null,
      choice: null,
    });
    expect(read(write(absent))).toEqual(absent);
  });

  it("leaves out initial values and stores a vtable once", () => {
    // Header, a vtable without entries (4 bytes), a table (4).
    expect(write(createTable(EVERYTHING, {})).length).toBe(16);
    const many = (count: number) => Array.from({ length: count }, () => createTable(LEAF, { big: 3n }));
    const size = (count: number) => write(createTable(EVERYTHING, { leaves: many(count) })).length;
    expect(size(4) - size(2)).toBe(2 * (16 + 4)); // table and offset, no vtable
  });

  it("aligns vectors: bytes to 16, 64-bit integers to 8", () => {
    for (let pad = 0; pad < 20; pad++) {
      const marked = createTable(EVERYTHING, {
        i64: 0x1122334455667788n,
        leaf: { name: "p".repeat(pad), big: 0x7122334455667788n },
        bytes: Uint8Array.of(0xab, 0xcd, 0xef, 0xab),
        longs: [0x0102030405060708n],
        leaves: [{ name: null, big: 0x7022334455667788n }],
      });
      const buffer = Buffer.from(write(marked));
      expect(buffer.indexOf("abcdefab", "hex") % 16).toBe(0);
      expect(buffer.indexOf("0807060504030201", "hex") % 8).toBe(0);
      expect(buffer.indexOf("8877665544332211", "hex") % 8).toBe(0);
      expect(buffer.indexOf("8877665544332271", "hex") % 8).toBe(0);
      expect(buffer.indexOf("8877665544332270", "hex") % 8).toBe(0);
    }
  });

  it("grows past its first capacity", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
    expect(read(write({ ...full, bytes }))).toEqual({ ...full, bytes });
  });

  it("shares no memory with what it reads, not even with a Node Buffer", () => {
    const file = Buffer.from(write(full));
    const decoded = read(file);
    file.fill(0);
    expect(decoded).toEqual(full);
  });

  it("reads a view at an odd offset of a larger buffer", () => {
    const file = write(full);
    const larger = new Uint8Array(file.length + 10);
    larger.set(file, 3);
    expect(read(larger.subarray(3, 3 + file.length))).toEqual(full);
  });
});

describe("what the description does not cover", () => {
  const NARROW = {
    bool: [0, "bool"],
    text: [10, "opaque"],
    choice: [18, ["union", {}]],
  } as const satisfies Table;

  it("is marked, and not written", () => {
    const decoded = decode(write(full), NARROW, "TEST", "file");
    expect(decoded).toEqual({
      bool: true,
      text: true,
      choice: { type: 2, table: { undescribed: [0] } },
      undescribed: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 25],
    });
    expect(() => encode(NARROW, decoded, "TEST")).toThrow(
      /model: .*does not know the content of text, slot 1, /,
    );
    const { undescribed: _, ...union } = { ...decoded, text: false };
    expect(() => encode(NARROW, union, "TEST")).toThrow(/model\.choice: .*slot 0$/);
    expect(encode(NARROW, { ...union, choice: { type: 3, table: {} } }, "TEST").length).toBeGreaterThan(0);
  });
});

describe("encoder", () => {
  it.each([
    [{ i8: 128 }, "model.i8: 128 is no i8"],
    [{ u32: -1 }, "model.u32: -1 is no u32"],
    [{ i32: 1.5 }, "model.i32: 1.5 is no i32"],
    [{ f32: 0.1 }, "model.f32: 0.1 is no f32"],
    [{ i64: 2n ** 63n }, "model.i64: 9223372036854775808 is no i64"],
    [{ i64: 1 as unknown as bigint }, "model.i64: 1 is no i64"],
    [{ i32: 1n as unknown as number }, "model.i32: 1 is no i32"],
    [{ longs: [0n, 2n ** 64n] }, "model.longs[1]: 18446744073709551616 is no i64"],
    [{ leaves: [{ name: null, big: -(2n ** 65n) }] }, "model.leaves[0].big: -36893488147419103232 is no i64"],
    [{ choice: { type: 300, table: null } }, "model.choice: 300 is no u8"],
  ])("refuses a value that its type cannot hold: %o", (fields, message) => {
    expect(() => write(createTable(EVERYTHING, fields))).toThrow(
      new ThumbnetError(`cannot write ${message}`),
    );
  });
});

describe("decoder on damaged bytes", () => {
  const file = write(full);

  it("refuses every truncation", () => {
    // The last bytes are padding or a string's NUL at most.
    const refused = Array.from(
      { length: file.length - 8 },
      (_, length) => () => read(file.subarray(0, length)),
    );
    for (const attempt of refused) expect(attempt).toThrow(ThumbnetError);
  });

  it.each([
    ["nothing", new Uint8Array(0), "the header at byte 0 (8 bytes) lies outside the file (0 bytes)"],
    ["another identifier", Uint8Array.of(8, 0, 0, 0, 65, 66, 67, 68), "the identifier at byte 4 is not TEST"],
    ["a root offset of 0", words(0), "the root table at byte 0 is an offset of 0"],
    ["a root outside", words(2 ** 32 - 1), "the root table at byte 4294967295 (4 bytes) lies outside"],
    [
      "a vtable before the file",
      words(8, 100),
      "the vtable of the root table at byte -92 (4 bytes) lies outside",
    ],
    [
      "a vtable behind the file",
      words(8, -100),
      "the vtable of the root table at byte 108 (4 bytes) lies outside",
    ],
    ["an odd vtable", words(12, 0x40005, 4), "the root table at byte 12 has a damaged vtable"],
    ["a short table", words(12, 0x20004, 4), "the root table at byte 12 has a damaged vtable"],
    [
      "a long vtable",
      words(12, 0x41000, 4),
      "the vtable of the root table at byte 8 (4096 bytes) lies outside",
    ],
    ["a long table", words(12, 0x10000004, 4), "the root table at byte 12 (4096 bytes) lies outside"],
    ["a field in the table's head", words(16, 0x40006, 2, 8, 0), "bool at byte 16 lies outside its table"],
    ["a field past its table", words(16, 0x40006, 4, 8, 0), "bool at byte 16 lies outside its table"],
  ])("names the byte: %s", (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(ThumbnetError);
    expect(() => read(bytes)).toThrow(`file: not a valid TEST file: ${message}`);
  });

  const VECTOR = { bytes: [0, ["i64"]], tables: [1, [{ bytes: [0, ["u8"]] }]] } as const satisfies Table;

  it("refuses a vector that runs past the end, whatever its length claims", () => {
    const bytes = words(16, 0x80006, 4, 8, 4, 0xffffffff, 0, 0);
    expect(() => decode(bytes, VECTOR, "TEST", "file")).toThrow(
      "bytes at byte 28 (34359738360 bytes) lies outside",
    );
  });

  it("refuses a file that decodes to far more than its size", () => {
    // 1000 tables, each the same one with the same kilobyte.
    const tables = Array.from({ length: 1000 }, () => ({ bytes: null }));
    const shared = encode(
      VECTOR,
      { bytes: null, tables: [...tables, { bytes: new Uint8Array(1024) }] },
      "TEST",
    );
    const view = new DataView(shared.buffer);
    const honest = decode(shared, VECTOR, "TEST", "file");
    expect(honest.tables?.length).toBe(1001);
    const rootAt = view.getUint32(0, true);
    const vectorAt = rootAt + 4 + view.getUint32(rootAt + 4, true);
    const at = (i: number) => vectorAt + 4 + 4 * i;
    const last = at(1000) + view.getUint32(at(1000), true);
    for (let i = 0; i < 1000; i++) view.setUint32(at(i), last - at(i), true);
    expect(() => decode(shared, VECTOR, "TEST", "file")).toThrow("the file uses its bytes over and over");
  });

  it("bounds the depth of a description that contains itself", () => {
    const LIST: { next: [number, Table]; value: [number, "i32"] } = { next: [0, {}], value: [1, "i32"] };
    LIST.next[1] = LIST;
    const chain = (length: number) => {
      let list = { next: null, value: 0 } as Record<string, unknown>;
      for (let i = 1; i < length; i++) list = { next: list, value: 0 };
      return encode(LIST as Table, list as DecodedTable<Table>, "TEST");
    };
    expect(decode(chain(30), LIST as Table, "TEST", "file")).toBeDefined();
    expect(() => decode(chain(40), LIST as Table, "TEST", "file")).toThrow("is nested too deep");
  });
});
