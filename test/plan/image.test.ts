import { describe, expect, it } from "vitest";
import { loadModel, ThumbnetError } from "../../src/index.ts";
import { compileGraph, compileTflite } from "../../src/plan/compile.ts";
import { crc32 } from "../../src/plan/crc32.ts";
import { readImage } from "../../src/plan/image.ts";
import {
  CHECKED_FROM,
  HEADER,
  KERNELS,
  RECORD_BYTES,
  recordLayout,
  structLayout,
  VERSION,
} from "../../src/plan/layout.ts";
import { writeStruct } from "../../src/plan/struct.ts";
import { Random } from "../support/random.ts";
import { randomGraph } from "../support/random-graph.ts";
import { hasShared, readShared } from "../support/shared.ts";

const HEADER_LAYOUT = structLayout(HEADER);

/** Changes header fields and makes the CRC-32 right again, as a forger would. */
function forged(image: Uint8Array, values: Record<string, number>): Uint8Array {
  const copy = image.slice();
  const view = new DataView(copy.buffer);
  writeStruct(view, 0, HEADER_LAYOUT, values);
  writeStruct(view, 0, HEADER_LAYOUT, { crc32: crc32(copy.subarray(CHECKED_FROM)) });
  return copy;
}

const image = compileGraph(randomGraph(3).graph);

describe("image", () => {
  it("gives back inputs, outputs and operators of the graph", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { graph } = randomGraph(seed);
      const read = readImage(compileGraph(graph));
      expect(read.operators.map(({ kind }) => kind)).toEqual(graph.operators.map(({ kind }) => kind));
      const ports = [...read.inputs, ...read.outputs];
      [...graph.inputs, ...graph.outputs].forEach((index, i) => {
        const { name, shape, dtype, quantization } = graph.tensors[index]!;
        expect(ports[i]).toMatchObject({ name, tensor: { shape, dtype } });
        if (quantization) {
          expect(ports[i]!.tensor.scale).toBe(quantization.scales[0]);
          expect(ports[i]!.tensor.zeroPoint).toBe(quantization.zeroPoints[0]);
        }
      });
    }
  });

  it("is the same every time", () => {
    expect(compileGraph(randomGraph(3).graph)).toEqual(image);
  });

  it("refuses every truncation", () => {
    for (let length = 0; length < image.length; length += 7) {
      expect(() => readImage(image.subarray(0, length)), `${length} bytes`).toThrow(ThumbnetError);
    }
  });

  it("refuses every bit flip", () => {
    for (let bit = 0; bit < image.length * 8; bit += 3) {
      const copy = image.slice();
      copy[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => readImage(copy), `bit ${bit}`).toThrow(ThumbnetError);
    }
  });

  it("refuses another version by name", () => {
    expect(() => readImage(forged(image, { version: VERSION + 1 }), "new.tnet")).toThrow(
      /new\.tnet.*version \d/,
    );
  });

  it("survives a forged header: an error or a sound image, never anything else", () => {
    const random = new Random(1);
    const fields = HEADER_LAYOUT.fields.map(({ name }) => name).filter((name) => name !== "crc32");
    for (let i = 0; i < 2000; i++) {
      const name = random.pick(fields);
      const value = random.pick([0, 1, 255, 4096, 65535, random.integer(0, 65535)]);
      try {
        readImage(forged(image, { [name]: value }));
      } catch (error) {
        expect(error, `${name} = ${value}`).toBeInstanceOf(ThumbnetError);
      }
    }
  });

  it("loads and runs as its .tflite does", async () => {
    const { inputs } = randomGraph(3);
    const model = await loadModel(image);
    expect(model.imageBytes).toBe(image.length);
    expect(model.runAll(inputs)).toHaveLength(model.outputs.length);
  });

  it.skipIf(!hasShared)("is little larger than weights and tables", () => {
    // Weights and, for each output channel, 9 bytes: bias, multiplier, shift.
    const bare = { kws_ref_model: 22016 + 9 * 588, vww_96_int8: 208112 + 9 * 2738 };
    for (const [name, bytes] of Object.entries(bare)) {
      const { length } = compileTflite(readShared("models", "mlperf-tiny", `${name}.tflite`), name, {
        foldConstants: false,
      });
      expect(length / bytes, name).toBeLessThan(1.1);
    }
  });
});

describe("layout", () => {
  it("fits every kernel's fields into a record, each at its natural alignment", () => {
    for (const kernel of Object.keys(KERNELS) as (keyof typeof KERNELS)[]) {
      const { fields, bytes } = recordLayout(kernel);
      expect(bytes, kernel).toBeLessThanOrEqual(RECORD_BYTES);
      expect(new Set(fields.map(({ offset }) => offset)).size).toBe(fields.length);
    }
    const opcodes = Object.values(KERNELS).map(({ opcode }) => opcode);
    expect(new Set(opcodes).size).toBe(opcodes.length);
  });
});
