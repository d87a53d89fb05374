// @ts-check
/**
 * thumbnet's int8 graph as an ONNX model of quantised operators, in the form that ONNX Runtime runs fastest.
 *
 * - Activations are uint8 = int8 + 128, zero points likewise: the same real numbers. Only products with
 *   uint8 activations have SIMD kernels in the WebAssembly build, and VNNI ones on x64.
 * - The layout stays NHWC: convolutions and pools are those of com.microsoft that take `channels_last`, so
 *   the model has no transpose.
 * - A ReLU that the saturation of the 8-bit output already does costs nothing; any other clamp is a Clip.
 */
import { OnnxBuilder } from "./onnx-builder.mjs";

/** @import { Activation, Graph, OperatorKind, OperatorOf } from "../../src/graph/graph.ts" */

/** Of QLinearSoftmax: since opset 13 the axis is one dimension, not all from there on. */
const SOFTMAX_OPSET = 13;

/** @type {Readonly<Record<Activation, readonly [number, number]>>} */
const LIMITS = {
  NONE: [-Infinity, Infinity],
  RELU: [0, Infinity],
  RELU_N1_TO_1: [-1, 1],
  RELU6: [0, 6],
};

/** @type {{ readonly [K in OperatorKind]?: (onnx: OnnxBuilder, operator: OperatorOf<K>) => void }} */
const LOWERINGS = {
  CONV_2D: convolution,
  DEPTHWISE_CONV_2D: convolution,
  FULLY_CONNECTED: fullyConnected,
  AVERAGE_POOL_2D: averagePool,
  MAX_POOL_2D: maxPool,
  MEAN: mean,
  ADD: (onnx, operator) => elementwise(onnx, "QLinearAdd", operator),
  MUL: (onnx, operator) => elementwise(onnx, "QLinearMul", operator),
  CONCATENATION: concatenation,
  PAD: pad,
  RESHAPE: reshape,
  SQUEEZE: reshape,
  EXPAND_DIMS: reshape,
  SOFTMAX: softmax,
  LOGISTIC: logistic,
  RELU: (onnx, operator) => requantise(onnx, operator, "RELU"),
  RELU6: (onnx, operator) => requantise(onnx, operator, "RELU6"),
  QUANTIZE: (onnx, operator) => requantise(onnx, operator, "NONE"),
};

/**
 * @param {Graph} graph int8 activations (uint8 at the edges), one scale each; constant int8 weights
 * @returns {Uint8Array} an ONNX model with the graph's inputs and outputs in their order and shape, as uint8:
 *   int8 tensors have 128 added
 * @throws Error naming the operator or tensor that has no ONNX counterpart here
 */
export function onnxFromGraph(graph) {
  const onnx = new OnnxBuilder(graph);
  for (const [index, operator] of graph.operators.entries()) {
    const lower = /** @type {((onnx: OnnxBuilder, operator: unknown) => void) | undefined} */ (
      LOWERINGS[operator.kind]
    );
    try {
      if (lower === undefined) throw new Error("not among the operators that are converted");
      lower(onnx, operator);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${graph.name}: operator ${index} (${operator.kind}): ${reason}`);
    }
  }
  return onnx.encode();
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"CONV_2D"> | OperatorOf<"DEPTHWISE_CONV_2D">} operator */
function convolution(onnx, { kind, inputs: [x, w, bias], outputs: [y], options }) {
  const [first = 1, height = 1, width = 1, last = 1] = onnx.tensor(w).shape;
  const [, , , channels = 1] = onnx.tensor(x).shape;
  const row = width * last;
  // OHWI, or 1HWC, becomes OIHW.
  const weights =
    kind === "CONV_2D"
      ? onnx.weights(w, "int8", [first, last, height, width], [height * row, 1, row, last])
      : onnx.weights(w, "int8", [last, 1, height, width], [1, 0, row, last]);
  const attributes = {
    channels_last: 1,
    group: kind === "CONV_2D" ? channels / last : channels,
    kernel_shape: [height, width],
    strides: [options.strideHeight, options.strideWidth],
    dilations: [options.dilationHeight, options.dilationWidth],
    pads: pads(onnx, x, y, { ...options, filterHeight: height, filterWidth: width }),
  };
  const operands = [...onnx.quantised(x), ...weights, ...onnx.affine(y), onnx.bias(bias)];
  clamped(onnx, options.activation, y, (name) => onnx.microsoft("QLinearConv", operands, name, attributes));
}

/**
 * QGemm with uint8 weights: for a single row they are the faster ones on x64, and no slower elsewhere.
 * @param {OnnxBuilder} onnx @param {OperatorOf<"FULLY_CONNECTED">} operator
 */
function fullyConnected(onnx, { inputs: [x, w, bias], outputs: [y], options }) {
  const [out = 1, depth = 1] = onnx.tensor(w).shape;
  const [matrix, ...affine] = onnx.quantised(x);
  const { shape } = onnx.tensor(x);
  const rows = shape.reduce((product, size) => product * size, 1) / depth;
  const flat = shape.length === 2 ? matrix : onnx.reshape(matrix, [rows, depth], `${onnx.name(y)}_in`);
  const weights = onnx.weights(w, "uint8", [depth, out], [1, depth]);
  const operands = [flat, ...affine, ...weights, onnx.bias(bias), ...onnx.affine(y)];
  clamped(onnx, options.activation, y, (name) => {
    const result = onnx.tensor(y).shape;
    if (result.length === 2) return onnx.microsoft("QGemm", operands, name);
    onnx.microsoft("QGemm", operands, `${name}_flat`);
    onnx.reshape(`${name}_flat`, result, name);
  });
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"AVERAGE_POOL_2D">} operator */
function averagePool(onnx, { inputs: [x], outputs: [y], options }) {
  const window = poolWindow(onnx, x, y, options);
  const [, height, width] = onnx.tensor(x).shape;
  const whole =
    options.filterHeight === height && options.filterWidth === width && !window.pads.some(Boolean);
  const operands = [...onnx.quantised(x), ...onnx.affine(y)];
  clamped(onnx, options.activation, y, (name) =>
    whole
      ? onnx.microsoft("QLinearGlobalAveragePool", operands, name, { channels_last: 1 })
      : onnx.microsoft("QLinearAveragePool", operands, name, { channels_last: 1, ...window }),
  );
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"MAX_POOL_2D">} operator */
function maxPool(onnx, { inputs: [x], outputs: [y], options }) {
  const window = poolWindow(onnx, x, y, options);
  clamped(onnx, options.activation, y, (name) =>
    onnx.microsoft("NhwcMaxPool", [onnx.operand(x)], name, window),
  );
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"MEAN">} operator */
function mean(onnx, { inputs: [x, axes], outputs: [y] }) {
  const rank = onnx.tensor(x).shape.length;
  const reduced = onnx.integers(axes).map((axis) => (axis + rank) % rank);
  if (rank !== 4 || String(reduced.sort()) !== "1,2") throw new Error("only a mean over height and width");
  const name = `${onnx.name(y)}_mean`;
  const operands = [...onnx.quantised(x), ...onnx.affine(y)];
  onnx.microsoft("QLinearGlobalAveragePool", operands, name, { channels_last: 1 });
  onnx.reshape(name, onnx.tensor(y).shape, onnx.name(y));
}

/** @param {OnnxBuilder} onnx @param {string} op @param {OperatorOf<"ADD"> | OperatorOf<"MUL">} operator */
function elementwise(onnx, op, { inputs: [a, b], outputs: [y], options }) {
  const operands = [...onnx.quantised(a), ...onnx.quantised(b), ...onnx.affine(y)];
  clamped(onnx, options.activation, y, (name) => onnx.microsoft(op, operands, name));
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"CONCATENATION">} operator */
function concatenation(onnx, { inputs, outputs: [y], options }) {
  const operands = [...onnx.affine(y), ...inputs.flatMap((index) => onnx.quantised(index))];
  clamped(onnx, options.activation, y, (name) =>
    onnx.microsoft("QLinearConcat", operands, name, { axis: options.axis }),
  );
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"PAD">} operator */
function pad(onnx, { inputs: [x, paddings], outputs: [y] }) {
  const sizes = onnx.integers(paddings);
  const [before, after] = [0, 1].map((odd) => sizes.filter((_, i) => i % 2 === odd));
  const name = onnx.name(y);
  const amounts = onnx.int64(`${name}_pads`, [...(before ?? []), ...(after ?? [])]);
  onnx.standard("Pad", [onnx.operand(x), amounts, onnx.affine(y)[1]], name);
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"RESHAPE" | "SQUEEZE" | "EXPAND_DIMS">} operator */
function reshape(onnx, { inputs: [x], outputs: [y] }) {
  onnx.reshape(onnx.operand(x), onnx.tensor(y).shape, onnx.name(y));
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"SOFTMAX">} operator */
function softmax(onnx, { inputs: [x], outputs: [y], options }) {
  const operands = [onnx.operand(x), ...onnx.affine(x, options.beta), ...onnx.affine(y)];
  onnx.microsoft("QLinearSoftmax", operands, onnx.name(y), { axis: -1, opset: SOFTMAX_OPSET });
}

/** @param {OnnxBuilder} onnx @param {OperatorOf<"LOGISTIC">} operator */
function logistic(onnx, { inputs: [x], outputs: [y] }) {
  onnx.microsoft("QLinearSigmoid", [...onnx.quantised(x), ...onnx.affine(y)], onnx.name(y));
}

/**
 * From one scale to another by way of float: ONNX has no direct operator.
 * @param {OnnxBuilder} onnx
 * @param {OperatorOf<"QUANTIZE" | "RELU" | "RELU6">} operator @param {Activation} activation
 */
function requantise(onnx, { inputs: [x], outputs: [y] }, activation) {
  const real = `${onnx.name(y)}_real`;
  onnx.standard("DequantizeLinear", onnx.quantised(x), real);
  clamped(onnx, activation, y, (name) => onnx.standard("QuantizeLinear", [real, ...onnx.affine(y)], name));
}

/**
 * Lets `emit` write output `y` under the name that it is given: the output's own, or, where the activation
 * cuts off more than 8 bits do, that of a tensor before a Clip.
 * @param {OnnxBuilder} onnx @param {Activation} activation @param {number | undefined} y
 * @param {(name: string) => void} emit
 */
function clamped(onnx, activation, y, emit) {
  const [scale = 1] = onnx.quantization(y).scales;
  const zeroPoint = onnx.storedZero(y);
  const [low, high] = LIMITS[activation].map((limit) => Math.round(limit / scale) + zeroPoint);
  const min = Math.max(0, low ?? 0);
  const max = Math.min(255, high ?? 255);
  const name = onnx.name(y);
  if (min === 0 && max === 255) return emit(name);
  const free = `${name}_free`;
  emit(free);
  onnx.standard("Clip", [free, onnx.uint8(`${name}_min`, min), onnx.uint8(`${name}_max`, max)], name);
}

/**
 * @param {OnnxBuilder} onnx @param {number | undefined} x @param {number | undefined} y
 * @param {{ strideHeight: number, strideWidth: number, filterHeight: number, filterWidth: number }} options
 */
function poolWindow(onnx, x, y, options) {
  return {
    kernel_shape: [options.filterHeight, options.filterWidth],
    strides: [options.strideHeight, options.strideWidth],
    pads: pads(onnx, x, y, { ...options, dilationHeight: 1, dilationWidth: 1 }),
  };
}

/**
 * Padding of a window: top, left, bottom, right. It follows from the sizes; SAME puts the odd element after.
 * @param {OnnxBuilder} onnx @param {number | undefined} x @param {number | undefined} y
 * @param {{ strideHeight: number, strideWidth: number, filterHeight: number, filterWidth: number,
 *   dilationHeight: number, dilationWidth: number }} window
 */
function pads(onnx, x, y, window) {
  const [, height = 1, width = 1] = onnx.tensor(x).shape;
  const [, rows = 1, columns = 1] = onnx.tensor(y).shape;
  const span = (window.filterHeight - 1) * window.dilationHeight + 1;
  const spread = (window.filterWidth - 1) * window.dilationWidth + 1;
  const vertical = Math.max(0, (rows - 1) * window.strideHeight + span - height);
  const horizontal = Math.max(0, (columns - 1) * window.strideWidth + spread - width);
  const [top, left] = [Math.floor(vertical / 2), Math.floor(horizontal / 2)];
  return [top, left, vertical - top, horizontal - left];
}
