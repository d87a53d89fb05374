import { readdirSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { checkShapes } from "../../src/graph/check/shapes.ts";
import { checkInt8 } from "../../src/graph/check.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite, writeTflite } from "../../src/tflite/index.ts";
import { hasShared, readShared, sharedPath } from "../support/shared.ts";

/** Operators, tensors, and the shapes of input and output, as published with the models. */
const EXPECTED: Record<string, [operators: number, tensors: number, input: number[], output: number[]]> = {
  ad01_fp32: [10, 31, [1, 640], [1, 640]],
  ad01_int8: [10, 31, [1, 640], [1, 640]],
  kws_ref_model: [13, 35, [1, 49, 10, 1], [1, 12]],
  kws_ref_model_float32: [13, 35, [1, 49, 10, 1], [1, 12]],
  pretrainedResnet: [16, 38, [1, 32, 32, 3], [1, 10]],
  pretrainedResnet_quant: [16, 38, [1, 32, 32, 3], [1, 10]],
  str_ww_ref_model: [11, 31, [1, 30, 1, 40], [1, 3]],
  vww_96_float: [31, 89, [1, 96, 96, 3], [1, 2]],
  vww_96_int8: [31, 89, [1, 96, 96, 3], [1, 2]],
};
const INT8 = ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8"];

const load = (name: string) => readTflite(readShared("models", "mlperf-tiny", `${name}.tflite`), name);

describe.skipIf(!hasShared)("reference models", () => {
  it("are all here", () => {
    const files = readdirSync(sharedPath("models", "mlperf-tiny")).filter((file) => file.endsWith(".tflite"));
    expect(files.sort()).toEqual(Object.keys(EXPECTED).map((name) => `${name}.tflite`));
  });

  describe.each(Object.entries(EXPECTED))("%s", (name, [operators, tensors, input, output]) => {
    it("has all its content described by the schema", () => {
      const fields = new Set<string>();
      JSON.stringify(load(name), (field, value) => {
        fields.add(field);
        return typeof value === "bigint" || value instanceof Uint8Array ? null : value;
      });
      expect(fields).toContain("zeroPoint");
      expect(fields).not.toContain("undescribed");
    });

    it("reads the same after writing", () => {
      const model = load(name);
      expect(isDeepStrictEqual(readTflite(writeTflite(model)), model)).toBe(true);
    });

    it("becomes a graph whose shapes follow from its options", () => {
      const graph = graphFromTflite(load(name), name);
      checkShapes(graph);
      expect(graph.operators.length).toBe(operators);
      expect(graph.tensors.length).toBe(tensors);
      expect(graph.inputs.map((i) => graph.tensors[i]!.shape)).toEqual([input]);
      expect(graph.outputs.map((i) => graph.tensors[i]!.shape)).toEqual([output]);
    });

    it("is the same graph after a way through tfliteFromGraph", () => {
      const graph = graphFromTflite(load(name), name);
      const back = graphFromTflite(readTflite(writeTflite(tfliteFromGraph(graph))), name);
      expect(isDeepStrictEqual(back, graph)).toBe(true); // toEqual takes seconds on megabytes
    });

    it(INT8.includes(name) ? "can run in int8" : "is told every operator that cannot run in int8", () => {
      const graph = graphFromTflite(load(name), name);
      if (INT8.includes(name)) {
        checkInt8(graph);
        expect(graph.tensors[graph.inputs[0]!]!.dtype).toBe("int8");
      } else {
        const lines = graph.operators.map(({ kind }, i) => `operator ${i} \\(${kind}\\): .* is float32`);
        expect(() => checkInt8(graph)).toThrow(new RegExp(lines.join("[^]*\n  ")));
      }
    });
  });

  it("have the float32 scales of the file", () => {
    const graph = graphFromTflite(load("kws_ref_model"), "kws");
    const [operator] = graph.operators;
    const [x, weights, bias] = operator!.inputs.map((i) => graph.tensors[i]!);
    expect(x!.quantization).toEqual({ scales: [Math.fround(0.5847029089927673)], zeroPoints: [83], axis: 0 });
    expect(weights!.quantization!.scales.length).toBe(64);
    // A converter gives biases the product of the two scales, in float32.
    const products = weights!.quantization!.scales.map((scale) =>
      Math.fround(scale * x!.quantization!.scales[0]!),
    );
    expect(bias!.quantization!.scales).toEqual(products);
  });
});
