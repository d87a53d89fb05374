/** Operators in float32 (sums in float64), one example at a time: what quantised ones are measured against. */
import { ThumbnetError } from "../errors.ts";
import type { Activation, Graph, Operator, OperatorKind, OperatorOptions, Tensor } from "../graph/graph.ts";
import { elementCount, windowExtent } from "../graph/shape.ts";

type Windowed = OperatorOptions["CONV_2D"];

/** A constant's real values. @throws ThumbnetError when its type is none that has them */
export function constantValues(tensor: Tensor): Float32Array {
  const { data, dtype, quantization, shape } = tensor;
  const bytes = data!.slice().buffer;
  if (dtype === "float32") return new Float32Array(bytes);
  const stored = dtype === "int8" ? new Int8Array(bytes) : dtype === "int32" ? new Int32Array(bytes) : null;
  if (stored === null || quantization === null) {
    throw new ThumbnetError(
      `tensor "${tensor.name}" is constant ${dtype}; supported: float32, or int8 with scales`,
    );
  }
  const { scales, zeroPoints, axis } = quantization;
  const inner = elementCount(shape.slice(axis + 1));
  return Float32Array.from(stored, (q, i) => {
    const channel = scales.length === 1 ? 0 : Math.floor(i / inner) % scales.length;
    return scales[channel]! * (q - zeroPoints[channel]!);
  });
}

export function activate(values: Float32Array, activation: Activation): void {
  if (activation === "NONE") return;
  const low = activation === "RELU_N1_TO_1" ? -1 : 0;
  const high = activation === "RELU6" ? 6 : activation === "RELU" ? Number.POSITIVE_INFINITY : 1;
  for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(values[i]!, low), high);
}

interface Loop {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly [number, number];
  readonly padding: Windowed["padding"];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/** Calls back for each output pixel and each tap inside the picture: offsets in pixels, and the tap's number. */
function forTaps(loop: Loop, onTap: (output: number, input: number, tap: number) => void): void {
  const { input, output, kernel, padding, stride, dilation } = loop;
  const [, height, width] = input as [number, number, number];
  const before = [0, 1].map(
    (i) => windowExtent(padding, input[1 + i]!, kernel[i]!, stride[i]!, dilation[i]!).before,
  );
  for (let y = 0; y < output[1]!; y++) {
    for (let x = 0; x < output[2]!; x++) {
      for (let ky = 0; ky < kernel[0]; ky++) {
        const row = y * stride[0] - before[0]! + ky * dilation[0];
        if (row < 0 || row >= height) continue;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const column = x * stride[1] - before[1]! + kx * dilation[1];
          if (column < 0 || column >= width) continue;
          onTap(y * output[2]! + x, row * width + column, ky * kernel[1] + kx);
        }
      }
    }
  }
}

function conv(
  x: Float32Array,
  weights: Float32Array,
  shape: readonly number[],
  loop: Loop,
  sums: Float64Array,
) {
  const [outputs, height, width, depth] = shape as [number, number, number, number];
  const each = height * width * depth;
  const whole = outputs - (outputs % 4);
  forTaps(loop, (output, input, tap) => {
    const [from, to] = [input * depth, output * outputs];
    // Four channels at a time: each input is read once for four products.
    for (let o = 0; o < whole; o += 4) {
      const w = o * each + tap * depth;
      const [w1, w2, w3] = [w + each, w + 2 * each, w + 3 * each];
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let i = 0; i < depth; i++) {
        const value = x[from + i]!;
        a += value * weights[w + i]!;
        b += value * weights[w1 + i]!;
        c += value * weights[w2 + i]!;
        d += value * weights[w3 + i]!;
      }
      sums[to + o]! += a;
      sums[to + o + 1]! += b;
      sums[to + o + 2]! += c;
      sums[to + o + 3]! += d;
    }
    for (let o = whole; o < outputs; o++) {
      const w = o * each + tap * depth;
      let sum = 0;
      for (let i = 0; i < depth; i++) sum += x[from + i]! * weights[w + i]!;
      sums[to + o]! += sum;
    }
  });
}

function depthwise(
  x: Float32Array,
  weights: Float32Array,
  loop: Loop,
  multiplier: number,
  sums: Float64Array,
) {
  const depth = loop.input[3]!;
  const channels = depth * multiplier;
  forTaps(loop, (output, input, tap) => {
    for (let c = 0; c < channels; c++) {
      const value = multiplier === 1 ? x[input * depth + c]! : x[input * depth + Math.floor(c / multiplier)]!;
      sums[output * channels + c]! += value * weights[tap * channels + c]!;
    }
  });
}

function windowLoop(graph: Graph, op: Operator, kernel: readonly [number, number]): Loop {
  const options = op.options as Windowed;
  return {
    input: graph.tensors[op.inputs[0]!]!.shape,
    output: graph.tensors[op.outputs[0]!]!.shape,
    kernel,
    padding: options.padding,
    stride: [options.strideHeight, options.strideWidth],
    dilation: [options.dilationHeight ?? 1, options.dilationWidth ?? 1],
  };
}

/** Kinds whose result is a sum of products with weights: their quantisation errors can be corrected by a bias. */
export const WEIGHTED: ReadonlySet<OperatorKind> = new Set([
  "CONV_2D",
  "DEPTHWISE_CONV_2D",
  "FULLY_CONNECTED",
]);

/**
 * The result of a convolution or fully connected layer before its activation.
 *
 * @param weights in the operator's layout
 * @param bias [O], or null
 */
export function weightedSums(
  graph: Graph,
  op: Operator,
  x: Float32Array,
  weights: Float32Array,
  bias: ArrayLike<number> | null,
): Float32Array {
  const { shape } = graph.tensors[op.inputs[1]!]!;
  const output = graph.tensors[op.outputs[0]!]!.shape;
  const sums = new Float64Array(elementCount(output));
  const channels = output.at(-1)!;
  if (op.kind === "CONV_2D") {
    conv(x, weights, shape, windowLoop(graph, op, [shape[1]!, shape[2]!]), sums);
  } else if (op.kind === "DEPTHWISE_CONV_2D") {
    const loop = windowLoop(graph, op, [shape[1]!, shape[2]!]);
    depthwise(x, weights, loop, op.options.depthMultiplier, sums);
  } else {
    const depth = shape[1]!;
    for (let i = 0; i < sums.length; i++) {
      const [row, o] = [Math.floor(i / channels), i % channels];
      for (let c = 0; c < depth; c++) sums[i]! += x[row * depth + c]! * weights[o * depth + c]!;
    }
  }
  if (bias !== null) for (let i = 0; i < sums.length; i++) sums[i]! += bias[i % channels]!;
  return new Float32Array(sums);
}

function pool(graph: Graph, op: Operator & { kind: "AVERAGE_POOL_2D" | "MAX_POOL_2D" }, x: Float32Array) {
  const loop = windowLoop(graph, op, [op.options.filterHeight, op.options.filterWidth]);
  const depth = loop.input[3]!;
  const isMax = op.kind === "MAX_POOL_2D";
  const pixels = loop.output[1]! * loop.output[2]!;
  const out = new Float32Array(pixels * depth).fill(isMax ? Number.NEGATIVE_INFINITY : 0);
  const counts = new Uint32Array(pixels);
  forTaps(loop, (output, input) => {
    counts[output]!++;
    for (let c = 0; c < depth; c++) {
      const value = x[input * depth + c]!;
      const i = output * depth + c;
      out[i] = isMax ? Math.max(out[i]!, value) : out[i]! + value;
    }
  });
  if (!isMax) for (let i = 0; i < out.length; i++) out[i]! /= counts[Math.floor(i / depth)]!;
  return out;
}

function softmax(x: Float32Array, depth: number, beta: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += depth) {
    const part = x.subarray(row, row + depth);
    const largest = part.reduce((a, b) => Math.max(a, b));
    const powers = Float64Array.from(part, (value) => Math.exp(beta * (value - largest)));
    const sum = powers.reduce((a, b) => a + b);
    powers.forEach((power, i) => {
      out[row + i] = power / sum;
    });
  }
  return out;
}

/** Float operators that can be evaluated, and so quantised. */
export const FLOAT_KINDS: readonly OperatorKind[] = [
  ...WEIGHTED,
  "AVERAGE_POOL_2D",
  "MAX_POOL_2D",
  "ADD",
  "RESHAPE",
  "SQUEEZE",
  "EXPAND_DIMS",
  "SOFTMAX",
  "LOGISTIC",
  "RELU",
  "RELU6",
];

/**
 * Evaluates an operator of `FLOAT_KINDS` that is not `WEIGHTED`, with its activation.
 *
 * @param inputs of its activations, in order
 */
export function floatOperator(graph: Graph, op: Operator, inputs: readonly Float32Array[]): Float32Array {
  const x = inputs[0]!;
  switch (op.kind) {
    case "AVERAGE_POOL_2D":
    case "MAX_POOL_2D": {
      const out = pool(graph, op, x);
      activate(out, op.options.activation);
      return out;
    }
    case "ADD": {
      const out = x.map((value, i) => value + inputs[1]![i]!);
      activate(out, op.options.activation);
      return out;
    }
    case "SOFTMAX":
      return softmax(x, graph.tensors[op.inputs[0]!]!.shape.at(-1)!, op.options.beta);
    case "LOGISTIC":
      return x.map((value) => 1 / (1 + Math.exp(-value)));
    case "RELU":
    case "RELU6": {
      const out = x.slice();
      activate(out, op.kind);
      return out;
    }
    default:
      return x;
  }
}
