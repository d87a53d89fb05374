import { describe, expect, it } from "vitest";
import type { Graph, Tensor } from "../../src/graph/graph.ts";
import {
  constant,
  NETWORK,
  perChannel,
  probabilities,
  problems,
  quantization,
  SAMPLES,
  single,
  tensor,
  vary,
} from "./samples.ts";

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
