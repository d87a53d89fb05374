import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { readTflite, type TfliteModel, writeTflite } from "../../src/tflite/index.ts";
import { BUILTIN_OPERATORS, TENSOR_TYPES } from "../../src/tflite/schema.ts";
import { exitNetwork } from "../support/exit-network.ts";
import { hasShared, readShared } from "../support/shared.ts";
import { NETWORK, SAMPLES } from "./samples.ts";

/**
 * FlatBuffers' own compiler reads what the writer writes, with the public schema of TensorFlow Lite, which is
 * not part of the project: THUMBNET_TFLITE_SCHEMA names a copy of its schema.fbs.
 */
const schema = process.env.THUMBNET_TFLITE_SCHEMA;
if (!schema)
  console.warn(
    "SKIPPED: flatc on written files (set THUMBNET_TFLITE_SCHEMA to TensorFlow Lite's schema.fbs)",
  );

interface Json {
  operator_codes: { builtin_code?: string; deprecated_builtin_code?: number; version?: number }[];
  buffers: { data?: number[] }[];
  metadata?: { name: string; buffer: number }[];
  subgraphs: {
    tensors: {
      name: string;
      shape?: number[];
      type?: string;
      buffer?: number;
      quantization?: { scale?: number[] };
    }[];
    operators: { opcode_index?: number; inputs: number[]; outputs: number[]; builtin_options?: object }[];
    inputs: number[];
    outputs: number[];
  }[];
}

describe.skipIf(!schema)("flatc", () => {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-flatc-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  function flatc(bytes: Uint8Array, ...options: string[]): Json {
    const file = join(folder, "written.tflite");
    writeFileSync(file, bytes);
    execFileSync("flatc", [
      "--json",
      "--strict-json",
      "--raw-binary",
      ...options,
      "-o",
      folder,
      schema!,
      "--",
      file,
    ]);
    return JSON.parse(readFileSync(join(folder, "written.json"), "utf8"));
  }

  /** What both sides must agree on. */
  function expectSame(model: TfliteModel, json: Json): void {
    const [subgraph] = model.subgraphs!;
    const [found] = json.subgraphs;
    expect(json.operator_codes.map((code) => [code.builtin_code, code.version])).toEqual(
      model.operatorCodes!.map((code) => [BUILTIN_OPERATORS[code.builtinCode], code.version]),
    );
    expect(found!.operators.map((op) => [op.opcode_index, op.inputs, op.outputs])).toEqual(
      subgraph!.operators!.map((op) => [op.opcodeIndex, op.inputs, op.outputs]),
    );
    expect(found!.tensors.map((t) => [t.name, t.shape, t.type, t.buffer])).toEqual(
      subgraph!.tensors!.map((t) => [t.name, t.shape, TENSOR_TYPES[t.type], t.buffer]),
    );
    expect(json.metadata?.map(({ name, buffer }) => [name, buffer])).toEqual(
      model.metadata?.map(({ name, buffer }) => [name, buffer]),
    );
    expect([found!.inputs, found!.outputs]).toEqual([subgraph!.inputs, subgraph!.outputs]);
    expect(json.buffers.map((buffer) => buffer.data)).toEqual(
      model.buffers!.map((buffer) => buffer.data && [...buffer.data]).map((data) => data ?? undefined),
    );
  }

  const defaults = "--defaults-json"; // scalars that have their initial value are shown too

  const networks: [string, Graph][] = [
    ["network", NETWORK],
    ["network with exits", exitNetwork()],
  ];
  it.each([...Object.entries(SAMPLES), ...networks])("reads %s", (_, graph) => {
    const model = tfliteFromGraph(graph);
    expectSame(model, flatc(writeTflite(model), defaults));
  });

  it("names the options as the schema does", () => {
    const json = flatc(writeTflite(tfliteFromGraph(SAMPLES.DEPTHWISE_CONV_2D)), defaults);
    expect(json.subgraphs[0]!.operators[0]).toMatchObject({
      builtin_options_type: "DepthwiseConv2DOptions",
      builtin_options: {
        padding: "VALID",
        stride_w: 1,
        stride_h: 2,
        depth_multiplier: 2,
        fused_activation_function: "RELU6",
        dilation_w_factor: 2,
        dilation_h_factor: 1,
      },
    });
    const types = Object.values(SAMPLES).map((graph) => {
      const { operators } = flatc(writeTflite(tfliteFromGraph(graph))).subgraphs[0]!;
      return (operators[0] as { builtin_options_type?: string }).builtin_options_type;
    });
    expect(types.join(" ").replaceAll("Options", "")).toBe(
      "Conv2D DepthwiseConv2D FullyConnected Pool2D Pool2D Add Sub Mul Pad Reducer Concatenation Reshape Squeeze " +
        "ExpandDims Softmax    Quantize Dequantize",
    );
  });

  it.skipIf(!hasShared).each(["kws_ref_model", "str_ww_ref_model", "pretrainedResnet"])(
    "reads %s, rewritten",
    (name) => {
      const original = readShared("models", "mlperf-tiny", `${name}.tflite`);
      expect(flatc(writeTflite(readTflite(original)), defaults)).toEqual(flatc(original, defaults));
    },
  );
});
