/** The reference on whole models: every operator's output equals what the real C kernels gave. */
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { elementCount } from "../../src/graph/shape.ts";
import { readTflite } from "../../src/tflite/index.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/goldens.ts";
import { hasShared } from "../support/shared.ts";
import { referenceRun } from "./run.ts";

/** Inputs of each set: the reference is slow. */
const INPUTS = 4;

const checksum = (bytes: Int8Array) => crc32(bytes).toString(16).padStart(8, "0");

describe.skipIf(!hasShared)("reference on golden models", () => {
  test.each(GOLDEN_NAMES)("%s", (name) => {
    const golden = loadGolden(name);
    const graph = graphFromTflite(readTflite(golden.model, name), name);
    const [input] = graph.inputs as [number];
    const size = elementCount(graph.tensors[input]!.shape);
    expect(golden.layers.length).toBeGreaterThanOrEqual(INPUTS);
    for (const expected of golden.layers.slice(0, INPUTS)) {
      const content = golden.inputs.subarray(expected.input * size, (expected.input + 1) * size);
      expect(checksum(content)).toBe(expected.input_crc32);
      const contents = referenceRun(graph, [content]);
      const seen = graph.operators.map(({ kind, outputs }, op) => {
        const result = contents[outputs[0]!] as Int8Array;
        return { op, kind, bytes: result.length, crc32: checksum(result) };
      });
      expect(seen).toEqual(expected.layers.map(({ op, kind, bytes, crc32 }) => ({ op, kind, bytes, crc32 })));
    }
  });
});
