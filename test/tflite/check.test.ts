import { describe, expect, it } from "vitest";
import { ThumbnetError } from "../../src/errors.ts";
import { checkInt8 } from "../../src/graph/check.ts";
import type { Graph, OperatorKind, Tensor } from "../../src/graph/graph.ts";
import {
  bias,
  constant,
  integers,
  NETWORK,
  perChannel,
  probabilities,
  quantization,
  SAMPLES,
  single,
  tensor,
} from "./samples.ts";

/** A sample graph with one tensor (by position) or the operator's options changed. */
function vary(
  kind: OperatorKind,
  changes: { [position: number]: Partial<Tensor> },
  options: object = {},
): Graph {
  const graph = SAMPLES[kind];
  const tensors = graph.tensors.map((old, i) => ({ ...old, ...changes[i] }));
  const [operator] = graph.operators;
  return {
    ...graph,
    tensors,
    operators: [{ ...operator, options: { ...operator!.options, ...options } } as Graph["operators"][0]],
  };
}

/** Checks the graph, and returns the lines of the error. */
function problems(graph: Graph): string[] {
  try {
    checkInt8(graph);
  } catch (error) {
    if (error instanceof ThumbnetError) return error.message.split("\n  ");
    throw error;
  }
  return [];
}

describe("what can run", () => {
  it.each(Object.entries(SAMPLES))("%s", (_, graph) => {
    expect(problems(graph)).toEqual([]);
  });

  it("a network with float edges, and one with uint8 edges", () => {
    expect(problems(NETWORK)).toEqual([]);
    const uint8 = single({ kind: "QUANTIZE", options: {} }, [
      tensor("x", [4]),
      tensor("y", [4], { dtype: "uint8", quantization: quantization(0.05, 131) }),
    ]);
    expect(problems(uint8)).toEqual([]);
  });

  it("weights and biases without what is optional", () => {
    const { options } = SAMPLES.CONV_2D.operators[0] as Extract<Graph["operators"][0], { kind: "CONV_2D" }>;
    const weights = constant("w", [3, 3, 2, 2]);
    expect(
      problems(
        single(
          { kind: "CONV_2D", options },
          [tensor("x", [1, 5, 4, 2]), weights, tensor("y", [1, 3, 4, 3])],
          [0, 1, -1],
        ),
      ),
    ).toEqual([]);
    expect(problems(vary("CONV_2D", { 2: { quantization: null } }))).toEqual([]);
  });

  it("scales that differ by less than a millionth, and no more", () => {
    const close = { quantization: quantization(Math.fround(0.05) * (1 + 5e-7), 3) };
    expect(close.quantization.scales).not.toEqual(quantization(0.05).scales);
    expect(problems(vary("RESHAPE", { 1: close }))).toEqual([]);
    const apart = { quantization: quantization(Math.fround(0.05) * (1 + 3e-6), 3) };
    expect(problems(vary("RESHAPE", { 1: apart }))[1]).toContain("supported: the same");
  });
});

describe("element types and quantisation", () => {
  const float: Partial<Tensor> = { dtype: "float32", quantization: null };
  const uint8: Partial<Tensor> = { dtype: "uint8", quantization: quantization(0.05, 131) };
  const other = { quantization: quantization(0.06, 3) };
  const shifted = { quantization: quantization(0.05, 4) };
  const twoScales = perChannel(3, 0.1, 0.2);

  it.each<[string, Graph, string]>([
    ["a float input", vary("RELU", { 0: float }), 'operator 0 (RELU): input "x" is float32; supported: int8'],
    [
      "a float output",
      vary("RELU", { 1: float }),
      'operator 0 (RELU): output "y" is float32; supported: int8',
    ],
    [
      "an int16 input",
      vary("QUANTIZE", { 0: { ...uint8, dtype: "int16" } }),
      'input "x" is int16; supported: int8, or float32 or uint8 as an input of the graph',
    ],
    [
      "an input without scales",
      vary("RELU", { 0: { quantization: null } }),
      'input "x" has no scales; supported: 1',
    ],
    [
      "an input with two scales",
      vary("RELU", { 0: { quantization: twoScales } }),
      'input "x" has 2 scales; supported: 1',
    ],
    [
      "an output without scales",
      vary("RELU", { 1: { quantization: null } }),
      'output "y" has no scales; supported: 1',
    ],
    [
      "uint8 without scales",
      vary("QUANTIZE", { 0: { quantization: null } }),
      'input "x" has no scales; supported: 1',
    ],
    [
      "DEQUANTIZE to int8",
      vary("DEQUANTIZE", { 1: { dtype: "int8", quantization: quantization(1) } }),
      "(DEQUANTIZE): gives int8",
    ],
    ["DEQUANTIZE from uint8", vary("DEQUANTIZE", { 0: uint8 }), 'input "x" is uint8; supported: int8'],
    [
      "QUANTIZE to float",
      vary("QUANTIZE", { 1: float }),
      'output "y" is float32; supported: int8, or uint8 as an output',
    ],
    ["QUANTIZE from uint8 to uint8", vary("QUANTIZE", { 1: uint8 }), "(QUANTIZE): goes from uint8 to uint8"],
    [
      "float weights",
      vary("CONV_2D", { 1: { ...float, data: new Uint8Array(144) } }),
      'weights "w" are constant float32; supported: constant int8',
    ],
    ["weights without scales", vary("CONV_2D", { 1: { quantization: null } }), 'weights "w" have no scales'],
    [
      "weights scaled along their input channels",
      vary("CONV_2D", { 1: { quantization: twoScales } }),
      'weights "w" have scales along dimension 3; supported: 0',
    ],
    [
      "depthwise weights scaled along dimension 1",
      vary("DEPTHWISE_CONV_2D", { 1: { quantization: perChannel(1, 1, 2, 3) } }),
      "along dimension 1; supported: 3",
    ],
    [
      "weights with a zero point",
      vary("CONV_2D", { 1: { quantization: { ...perChannel(0, 1, 2, 3), zeroPoints: [0, 0, 7] } } }),
      'weights "w" have the zero point 7; supported: 0',
    ],
    [
      "dense weights with zero points",
      vary("FULLY_CONNECTED", { 1: { quantization: { ...perChannel(0, 1, 2, 3), zeroPoints: [0, 1, 0] } } }),
      'weights "w" have the zero point 1; supported: 0',
    ],
    [
      "a float bias",
      vary("CONV_2D", { 2: { ...float, data: new Uint8Array(12) } }),
      'bias "bias" is constant float32; supported: constant int32',
    ],
    [
      "other pooling scales",
      vary("MAX_POOL_2D", { 1: other }),
      'input "x" has scale 0.05000000074505806, zero point 3, output "y" scale 0.05999999865889549, zero point 3; supported: the same',
    ],
    [
      "another pooling zero point",
      vary("AVERAGE_POOL_2D", { 1: shifted }),
      "zero point 4; supported: the same",
    ],
    [
      "another concatenated scale",
      vary("CONCATENATION", { 2: other }),
      'input "c" has scale 0.05999999865889549',
    ],
    ["other reshaped scales", vary("RESHAPE", { 1: other }), "supported: the same"],
    ["other squeezed scales", vary("SQUEEZE", { 1: other }), "supported: the same"],
    ["other expanded scales", vary("EXPAND_DIMS", { 2: other }), "supported: the same"],
    ["other padded scales", vary("PAD", { 2: other }), "supported: the same"],
    ["other scales of RELU6", vary("RELU6", { 1: other }), "supported: the same"],
    [
      "a softmax scale",
      vary("SOFTMAX", { 1: { quantization: quantization(1 / 255, -128) } }),
      "supported: scale 1/256, zero point -128",
    ],
    [
      "a logistic zero point",
      vary("LOGISTIC", { 1: { quantization: quantization(1 / 256, -127) } }),
      "supported: scale 1/256, zero point -128",
    ],
    ["a beta of 0", vary("SOFTMAX", {}, { beta: 0 }), "has the beta 0; supported: finite and > 0"],
    ["a beta of NaN", vary("SOFTMAX", {}, { beta: Number.NaN }), "has the beta NaN"],
    [
      "an activation of a concatenation",
      vary("CONCATENATION", {}, { activation: "RELU" }),
      "has the activation RELU; supported: NONE",
    ],
  ])("refuses %s", (_, graph, message) => {
    const found = problems(graph);
    expect(found[0]).toBe(`${graph.name}: cannot run in int8:`);
    expect(found.join("\n")).toContain(message);
  });

  it("refuses computed weights, biases, paddings, axes and shapes", () => {
    const inputs = (graph: Graph, position: number, change: Partial<Tensor>): Graph => ({
      ...graph,
      tensors: graph.tensors.map((old, i) => (i === position ? { ...old, data: null, ...change } : old)),
      inputs: [...graph.inputs, position],
    });
    const int32: Partial<Tensor> = { dtype: "int32" };
    expect(problems(inputs(SAMPLES.CONV_2D, 1, {})).join()).toContain('weights "w" are not constant int8');
    expect(problems(inputs(SAMPLES.CONV_2D, 2, int32)).join()).toContain('bias "bias" is not constant int32');
    expect(problems(inputs(SAMPLES.PAD, 1, int32)).join()).toContain(
      'paddings "paddings" is computed; supported: constant',
    );
    expect(problems(inputs(SAMPLES.MEAN, 1, int32)).join()).toContain(
      'axes "axes" is computed; supported: constant',
    );
  });

  it("takes other types at the edges only, and lists every operator", () => {
    // Float in the middle, and an output that an operator reads.
    const [quantize, ...rest] = NETWORK.operators;
    const middle = { ...NETWORK, tensors: NETWORK.tensors.with(4, tensor("features", [1, 3, 3, 4], float)) };
    expect(problems(middle)).toEqual([
      "network: cannot run in int8:",
      'operator 1 (CONV_2D): output "features" is float32; supported: int8',
      'operator 2 (AVERAGE_POOL_2D): input "features" is float32; supported: int8',
    ]);
    const read = {
      ...NETWORK,
      tensors: [...NETWORK.tensors, tensor("again", [1, 2], probabilities)],
      operators: [
        quantize!,
        ...rest,
        { kind: "QUANTIZE" as const, inputs: [11], outputs: [12], options: {} },
      ],
      outputs: [11, 12],
    };
    const edges = problems(read);
    expect(edges[1]).toBe(
      'operator 6 (DEQUANTIZE): output "output" is float32; supported: int8, or float32 as an output of the graph that no operator reads',
    );
    expect(edges[2]).toBe(
      'operator 7 (QUANTIZE): input "output" is float32; supported: int8, or float32 or uint8 as an input of the graph',
    );
    const hidden = { ...NETWORK, outputs: [10] };
    expect(problems(hidden).join()).toContain('output "output" is float32');
  });

  it("refuses inputs that nothing reads of other types, and outputs that nothing writes", () => {
    const unread = {
      ...SAMPLES.RELU,
      tensors: [...SAMPLES.RELU.tensors, tensor("u", [1], { dtype: "int64" })],
      inputs: [0, 2],
    };
    expect(problems(unread)[1]).toMatch(/^tensor 2 "u": input "u" is int64; supported: int8, or/);
    expect(problems({ ...SAMPLES.RELU, outputs: [0] })[1]).toBe(
      'tensor 0 "x": is a graph output that no operator writes',
    );
  });

  it("tells a problem once, where the tensor is read", () => {
    expect(problems(vary("RELU", { 0: { quantization: null } }))).toHaveLength(2);
  });

  it("refuses a graph that is not sound", () => {
    const wide = { quantization: { scales: [0.1], zeroPoints: [0], axis: 0 } };
    expect(problems(vary("RELU", { 0: wide }))[1]).toContain("has the scale 0.1; supported: float32 values");
    expect(problems({ ...NETWORK, inputs: [] })[0]).toBe("network: not a sound graph:");
    const float32 = vary("RELU", { 0: { dtype: "float32" } });
    expect(problems(float32)[1]).toBe(
      'tensor 0 "x": is float32 and has scales; supported: only integers have them',
    );
  });
});

describe("shapes", () => {
  const shape = (...dimensions: number[]): Partial<Tensor> => ({ shape: dimensions });
  const x = tensor("x", [1, 5, 4, 2]);
  const nothing = { options: {} };

  it.each<[string, Graph, string]>([
    [
      "a convolution's output",
      vary("CONV_2D", { 3: shape(1, 3, 3, 3) }),
      'output "y" has the shape [1,3,3,3]; expected [1,3,4,3]',
    ],
    [
      "a stride of 0",
      vary("CONV_2D", {}, { strideWidth: 0 }),
      "has the strideWidth 0; supported: 1 and more",
    ],
    [
      "a negative dilation",
      vary("DEPTHWISE_CONV_2D", {}, { dilationHeight: -1 }),
      "has the dilationHeight -1",
    ],
    ["a filter of 0", vary("MAX_POOL_2D", {}, { filterHeight: 0 }), "has the filterHeight 0; supported"],
    [
      "a window that does not fit",
      vary("MAX_POOL_2D", {}, { filterHeight: 6 }),
      "a VALID window of 6 does not fit an input of 5",
    ],
    [
      "an input of 3 dimensions",
      vary("CONV_2D", { 0: shape(5, 4, 2) }),
      'input "x" has the shape [5,4,2]; supported: 4 dimensions',
    ],
    ["groups", vary("CONV_2D", { 0: shape(1, 5, 4, 3) }), "weights [3,3,2,2] do not fit the input [1,5,4,3]"],
    [
      "groups of outputs",
      vary("CONV_2D", { 0: shape(1, 5, 4, 4) }),
      "weights [3,3,2,2] do not fit the input [1,5,4,4]",
    ],
    ["a bias", vary("CONV_2D", { 2: { ...bias(4) } }), 'bias "bias" has the shape [4]; expected [3]'],
    [
      "a depth multiplier",
      vary("DEPTHWISE_CONV_2D", {}, { depthMultiplier: 3 }),
      "a depth multiplier of 3; supported: [1,KH,KW,6]",
    ],
    [
      "a dense depth",
      vary("FULLY_CONNECTED", { 0: shape(1, 39) }),
      "weights [3,40] do not fit the input [1,39]",
    ],
    [
      "a dense output",
      vary("FULLY_CONNECTED", { 3: shape(3) }),
      'output "y" has the shape [3]; expected [1,3]',
    ],
    [
      "keepNumDims",
      vary("FULLY_CONNECTED", {}, { keepNumDims: true }),
      "weights [3,40] do not fit the input [1,5,4,2]",
    ],
    ["a pooled output", vary("AVERAGE_POOL_2D", { 1: shape(1, 3, 4, 1) }), "expected [1,3,4,2]"],
    ["a broadcast", vary("ADD", { 1: shape(3, 1) }), "[1,5,4,2] and [3,1] do not broadcast"],
    ["a broadcast output", vary("MUL", { 2: shape(5, 4, 2) }), "has the shape [5,4,2]; expected [1,5,4,2]"],
    [
      "negative padding",
      vary("PAD", { 1: integers("p", [4, 2], [0, 0, -1, 0, 0, 0, 0, 0]) }),
      "supported: [4,2] of 0 and more",
    ],
    [
      "a paddings shape",
      vary("PAD", { 1: integers("p", [2, 4], [0, 0, 1, 2, 0, 3, 0, 0]) }),
      "paddings [2,4] of",
    ],
    [
      "many paddings",
      vary("PAD", { 1: integers("p", [5, 2], Array(10).fill(0)) }),
      '"p" has 10 elements; supported: up to 8',
    ],
    [
      "float paddings",
      vary("PAD", { 1: { dtype: "float32" } }),
      '"paddings" is constant float32; supported: constant int32 or int64',
    ],
    [
      "an axis",
      vary("MEAN", { 1: integers("axes", [1], [4]) }),
      "has the axis 4; supported for 4 dimensions: -4 to 3",
    ],
    ["a mean without keepDims", vary("MEAN", {}, { keepDims: false }), "expected [1,2]"],
    [
      "a concatenation's axis",
      vary("CONCATENATION", {}, { axis: 4 }),
      "has the axis 4; supported for 4 dimensions",
    ],
    [
      "a concatenation",
      vary("CONCATENATION", {}, { axis: 1 }),
      "[1,5,4,2] and [1,5,4,1] do not concatenate along axis 1",
    ],
    [
      "a reshaped size",
      vary("RESHAPE", { 1: shape(2, 21) }),
      "output [2,21] does not fit the input [1,5,4,2]",
    ],
    [
      "a squeezed dimension of 2",
      single({ kind: "SQUEEZE", options: {} }, [tensor("x", [2, 5]), tensor("y", [5])]),
      "output [5] does not fit the input [2,5]",
    ],
    [
      "a squeezed shape",
      vary("SQUEEZE", { 1: shape(1, 5, 1, 1, 1) }),
      "output [1,5,1,1,1] does not fit the input [1,5,1,1]",
    ],
    [
      "an expanded axis",
      vary("EXPAND_DIMS", { 1: integers("axis", [1], [5]) }),
      "has the axis 5; supported for 5 dimensions: -5 to 4",
    ],
    [
      "a scalar softmax",
      single({ kind: "SOFTMAX", options: { beta: 1 } }, [
        tensor("x", []),
        tensor("y", [], { quantization: quantization(1 / 256, -128) }),
      ]),
      "has a scalar input",
    ],
    [
      "an activation's shape",
      vary("RELU6", { 1: shape(5, 4, 2) }),
      "has the shape [5,4,2]; expected [1,5,4,2]",
    ],
  ])("refuses %s", (_, graph, message) => {
    const found = problems(graph);
    expect(found[1]).toContain(`operator 0 (${graph.name}): `);
    expect(found[1]).toContain(message);
  });

  it("reads axes of int64 where they are supported", () => {
    const wide = (values: bigint[], dimensions: number[]) =>
      tensor("i", dimensions, { dtype: "int64", data: new Uint8Array(BigInt64Array.from(values).buffer) });
    const paddings = wide([0n, 0n, 1n, 0n, 0n, 0n, 0n, 0n], [4, 2]);
    expect(problems(single({ kind: "PAD", ...nothing }, [x, paddings, tensor("y", [1, 6, 4, 2])]))).toEqual(
      [],
    );
    expect(problems(vary("MEAN", { 1: wide([1n, -2n], [2]) }))[1]).toContain(
      'axes "i" are int64; supported: int32',
    );
  });
});
