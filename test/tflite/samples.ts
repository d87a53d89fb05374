import { ThumbnetError } from "../../src/errors.ts";
import { checkInt8 } from "../../src/graph/check.ts";
import type { Graph, Operator, OperatorKind, Quantization, Tensor } from "../../src/graph/graph.ts";
import { bytesPerElement, elementCount } from "../../src/graph/shape.ts";

/** One small int8 graph for each operator kind. */

export function quantization(scale: number, zeroPoint = 0): Quantization {
  return { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: 0 };
}

export function perChannel(axis: number, ...scales: number[]): Quantization {
  return { scales: scales.map(Math.fround), zeroPoints: scales.map(() => 0), axis };
}

export function tensor(name: string, shape: number[], rest: Partial<Tensor> = {}): Tensor {
  const int8 = rest.dtype === undefined || rest.dtype === "int8";
  return {
    name,
    shape,
    dtype: "int8",
    quantization: int8 ? quantization(0.05, 3) : null,
    data: null,
    ...rest,
  };
}

/** A constant whose bytes count up from 1. */
export function constant(name: string, shape: number[], rest: Partial<Tensor> = {}): Tensor {
  const length = elementCount(shape) * bytesPerElement(rest.dtype ?? "int8");
  const data = Uint8Array.from({ length }, (_, i) => (i + 1) % 256);
  return tensor(name, shape, { quantization: quantization(0.01), data, ...rest });
}

export function integers(name: string, shape: number[], values: number[]): Tensor {
  return tensor(name, shape, { dtype: "int32", data: new Uint8Array(Int32Array.from(values).buffer) });
}

/** Biases in the product of the input's scale, 0.05, and the weights' scales, as converters make them. */
export function bias(...weightScales: number[]): Tensor {
  const scales = weightScales.map((scale) => Math.fround(0.05) * Math.fround(scale));
  return constant("bias", [scales.length], { dtype: "int32", quantization: perChannel(0, ...scales) });
}

/** One operator: its input tensors first, its output last; inputs without data are the graph's. */
export function single(
  operator: Pick<Operator, "kind" | "options">,
  tensors: Tensor[],
  inputs?: number[],
): Graph {
  const output = tensors.length - 1;
  const read = inputs ?? tensors.slice(0, -1).map((_, i) => i);
  return {
    name: operator.kind,
    tensors,
    operators: [{ ...operator, inputs: read, outputs: [output] } as Operator],
    inputs: tensors.flatMap(({ data }, i) => (data === null && i !== output ? [i] : [])),
    outputs: [output],
  };
}

const window = { padding: "SAME", strideHeight: 2, strideWidth: 1, activation: "RELU6" } as const;
const dilation = { dilationHeight: 1, dilationWidth: 2 };
const x = tensor("x", [1, 5, 4, 2]);
const y = (shape: number[], rest: Partial<Tensor> = {}) => tensor("y", shape, rest);
/** What SOFTMAX and LOGISTIC must give. */
export const probabilities = { quantization: quantization(1 / 256, -128) };

export const SAMPLES: { readonly [K in OperatorKind]: Graph } = {
  CONV_2D: single({ kind: "CONV_2D", options: { ...window, ...dilation } }, [
    x,
    constant("w", [3, 3, 2, 2], { quantization: perChannel(0, 0.1, 0.2, 0.3) }),
    bias(0.1, 0.2, 0.3),
    y([1, 3, 4, 3]),
  ]),
  DEPTHWISE_CONV_2D: single(
    { kind: "DEPTHWISE_CONV_2D", options: { ...window, ...dilation, depthMultiplier: 2, padding: "VALID" } },
    [
      x,
      constant("w", [1, 3, 2, 4], { quantization: perChannel(3, 0.1, 0.2, 0.3, 0.4) }),
      bias(0.1, 0.2, 0.3, 0.4),
      y([1, 2, 2, 4]),
    ],
  ),
  FULLY_CONNECTED: single({ kind: "FULLY_CONNECTED", options: { activation: "RELU", keepNumDims: false } }, [
    x,
    constant("w", [3, 40], { quantization: quantization(0.02, 5) }),
    integers("bias", [3], [5, -6, 7]),
    y([1, 3]),
  ]),
  AVERAGE_POOL_2D: single(
    { kind: "AVERAGE_POOL_2D", options: { ...window, filterHeight: 2, filterWidth: 3 } },
    [x, y([1, 3, 4, 2])],
  ),
  MAX_POOL_2D: single(
    { kind: "MAX_POOL_2D", options: { ...window, padding: "VALID", filterHeight: 3, filterWidth: 1 } },
    [x, y([1, 2, 4, 2])],
  ),
  ADD: single({ kind: "ADD", options: { activation: "RELU_N1_TO_1" } }, [
    x,
    tensor("b", [4, 1]),
    y([1, 5, 4, 2]),
  ]),
  SUB: single({ kind: "SUB", options: { activation: "NONE" } }, [x, constant("b", [2]), y([1, 5, 4, 2])]),
  MUL: single({ kind: "MUL", options: { activation: "RELU" } }, [tensor("a", [1]), x, y([1, 5, 4, 2])]),
  PAD: single({ kind: "PAD", options: {} }, [
    x,
    integers("paddings", [4, 2], [0, 0, 1, 2, 0, 3, 0, 0]),
    y([1, 8, 7, 2]),
  ]),
  MEAN: single({ kind: "MEAN", options: { keepDims: true } }, [
    x,
    integers("axes", [2], [1, -2]),
    y([1, 1, 1, 2]),
  ]),
  CONCATENATION: single({ kind: "CONCATENATION", options: { axis: -1, activation: "NONE" } }, [
    x,
    tensor("b", [1, 5, 4, 1]),
    tensor("c", [1, 5, 4, 3]),
    y([1, 5, 4, 6]),
  ]),
  RESHAPE: single({ kind: "RESHAPE", options: {} }, [x, y([2, 20])]),
  SQUEEZE: single({ kind: "SQUEEZE", options: {} }, [tensor("x", [1, 5, 1, 1]), y([5, 1])]),
  EXPAND_DIMS: single({ kind: "EXPAND_DIMS", options: {} }, [
    x,
    integers("axis", [], [-2]),
    y([1, 5, 4, 1, 2]),
  ]),
  SOFTMAX: single({ kind: "SOFTMAX", options: { beta: 0.5 } }, [x, y([1, 5, 4, 2], probabilities)]),
  LOGISTIC: single({ kind: "LOGISTIC", options: {} }, [x, y([1, 5, 4, 2], probabilities)]),
  RELU: single({ kind: "RELU", options: {} }, [
    x,
    y([1, 5, 4, 2], { quantization: quantization(0.02, -128) }),
  ]),
  RELU6: single({ kind: "RELU6", options: {} }, [x, y([1, 5, 4, 2])]),
  QUANTIZE: single({ kind: "QUANTIZE", options: {} }, [
    tensor("x", [1, 5], { dtype: "uint8", quantization: quantization(0.05, 131) }),
    y([1, 5]),
  ]),
  DEQUANTIZE: single({ kind: "DEQUANTIZE", options: {} }, [x, y([1, 5, 4, 2], { dtype: "float32" })]),
};

/** Several operators in a row, with float edges: a small but whole network. */
export const NETWORK: Graph = {
  name: "network",
  tensors: [
    tensor("input", [1, 6, 6, 1], { dtype: "float32" }),
    tensor("quantized", [1, 6, 6, 1]),
    constant("w", [4, 3, 3, 1], { quantization: perChannel(0, 0.1, 0.2, 0.3, 0.4) }),
    bias(0.1, 0.2, 0.3, 0.4),
    tensor("features", [1, 3, 3, 4]),
    tensor("pooled", [1, 1, 1, 4]),
    integers("shape", [2], [1, 4]),
    tensor("flat", [1, 4]),
    constant("dense", [2, 4]),
    tensor("logits", [1, 2]),
    tensor("softmax", [1, 2], probabilities),
    tensor("output", [1, 2], { dtype: "float32" }),
  ],
  operators: [
    { kind: "QUANTIZE", inputs: [0], outputs: [1], options: {} },
    {
      kind: "CONV_2D",
      inputs: [1, 2, 3],
      outputs: [4],
      options: { ...window, strideWidth: 2, dilationHeight: 1, dilationWidth: 1 },
    },
    {
      kind: "AVERAGE_POOL_2D",
      inputs: [4],
      outputs: [5],
      options: { ...window, padding: "VALID", filterHeight: 3, filterWidth: 3, activation: "NONE" },
    },
    { kind: "RESHAPE", inputs: [5, 6], outputs: [7], options: {} },
    {
      kind: "FULLY_CONNECTED",
      inputs: [7, 8, -1],
      outputs: [9],
      options: { activation: "NONE", keepNumDims: false },
    },
    { kind: "SOFTMAX", inputs: [9], outputs: [10], options: { beta: 1 } },
    { kind: "DEQUANTIZE", inputs: [10], outputs: [11], options: {} },
  ],
  inputs: [0],
  outputs: [11],
};

/** A sample graph with one tensor (by position) or the operator's options changed. */
export function vary(
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
export function problems(graph: Graph): string[] {
  try {
    checkInt8(graph);
  } catch (error) {
    if (error instanceof ThumbnetError) return error.message.split("\n  ");
    throw error;
  }
  return [];
}
