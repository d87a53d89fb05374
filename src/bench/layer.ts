/** Graphs of one operator with seeded random weights, to time its kernel alone. */
import { Random } from "../data/random.ts";
import type { Activation, Graph, Operator, Padding, Quantization, Tensor } from "../graph/graph.ts";
import { elementCount, windowExtent } from "../graph/shape.ts";

export type LayerKind =
  | "CONV_2D"
  | "DEPTHWISE_CONV_2D"
  | "FULLY_CONNECTED"
  | "ADD"
  | "AVERAGE_POOL_2D"
  | "MAX_POOL_2D";

export interface Layer {
  readonly kind: LayerKind;
  /** [1, H, W, C], or [1, C] for FULLY_CONNECTED. */
  readonly input: readonly number[];
  /** Output channels; default: as many as the input has. */
  readonly channels?: number;
  /** Height and width of the kernel or filter; default 1 x 1. */
  readonly kernel?: readonly [number, number];
  /** Default 1 x 1. */
  readonly stride?: readonly [number, number];
  /** Default SAME. */
  readonly padding?: Padding;
  /** Default RELU. */
  readonly activation?: Activation;
  /** The share of weight blocks of {@link BLOCK} that are zero, for convolutions of 1 x 1; default 0. */
  readonly zeroBlocks?: number;
}

/** Output channels and input channels of a block of weights that is zero as a whole. */
export const BLOCK = [8, 2] as const;

const INPUT_SCALE = 0.05;
const WEIGHT_SCALE = 0.01;
/**
 * Of weights, which are normal and clipped: about what trained layers have; less where more than so many inputs are
 * summed. Accumulators are then of the size that the reference models have, and are requantised in the same way.
 */
const WEIGHT_DEVIATION = 32;
const TYPICAL_FAN_IN = 64;
/** Root mean square of activations behind a ReLU as {@link layerInput} makes them, as distances from -128. */
const INPUT_DEVIATION = 42;
/** Standard deviation of outputs, in steps: a ReLU then clips half of them, and few reach the other end. */
const OUTPUT_DEVIATION = 60;

/** Contents for an input as a ReLU leaves it: half at the zero point -128, the others half a normal distribution. */
export function layerInput(elements: number, seed: number): Int8Array {
  const random = new Random(seed, elements);
  return Int8Array.from({ length: elements }, () =>
    Math.round(Math.min(127, Math.max(0, random.normal() * 60) - 128)),
  );
}

/** The graph of one layer: input and output of int8, per-channel weights where the operator has them. */
export function layerGraph(layer: Layer): Graph {
  const graph = { name: "layer", inputs: [0], outputs: [1] };
  const { kind, input } = layer;
  const window = windowOptions(layer);
  const zeroPoint = window.activation === "NONE" ? 0 : -128;
  if (kind === "ADD") {
    const tensors = [
      tensor("a", input, -128),
      tensor("sum", input, zeroPoint, 0.09),
      tensor("b", input, -128),
    ];
    const add: Operator = { kind, inputs: [0, 2], outputs: [1], options: { activation: window.activation } };
    return { ...graph, inputs: [0, 2], tensors, operators: [add] };
  }
  if (kind === "AVERAGE_POOL_2D" || kind === "MAX_POOL_2D") {
    const [filterHeight, filterWidth] = layer.kernel ?? [1, 1];
    const tensors = [tensor("input", input, -128), tensor("output", outputShape(layer), -128)];
    const pool: Operator = {
      kind,
      inputs: [0],
      outputs: [1],
      options: { ...window, activation: "NONE", filterHeight, filterWidth },
    };
    return { ...graph, tensors, operators: [pool] };
  }
  const weights = layerWeights(layer);
  const scale = (INPUT_SCALE * WEIGHT_SCALE * weights.deviation) / OUTPUT_DEVIATION;
  const tensors = [
    tensor("input", input, -128),
    tensor("output", outputShape(layer), zeroPoint, scale),
    weights.tensor,
    weights.bias,
  ];
  return { ...graph, tensors, operators: [weighted(layer, window)] };
}

function weighted({ kind }: Layer, window: ReturnType<typeof windowOptions>): Operator {
  const edges = { inputs: [0, 2, 3], outputs: [1] };
  const dilation = { dilationHeight: 1, dilationWidth: 1 };
  if (kind === "DEPTHWISE_CONV_2D")
    return { kind, ...edges, options: { ...window, ...dilation, depthMultiplier: 1 } };
  if (kind === "CONV_2D") return { kind, ...edges, options: { ...window, ...dilation } };
  const { activation } = window;
  return { kind: "FULLY_CONNECTED", ...edges, options: { activation, keepNumDims: false } };
}

function windowOptions({ stride = [1, 1], padding = "SAME", activation = "RELU" }: Layer) {
  return { padding, strideHeight: stride[0], strideWidth: stride[1], activation };
}

function outputShape({ kind, input, channels, kernel = [1, 1], stride = [1, 1], padding = "SAME" }: Layer) {
  const depth = channels ?? input.at(-1)!;
  if (kind === "FULLY_CONNECTED") return [1, depth];
  const extent = (d: 0 | 1) => windowExtent(padding, input[d + 1]!, kernel[d], stride[d], 1).output;
  return [1, extent(0), extent(1), depth];
}

function tensor(
  name: string,
  shape: readonly number[],
  zeroPoint: number,
  scale: number = INPUT_SCALE,
): Tensor {
  const quantization = { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: 0 };
  return { name, shape, dtype: "int8", quantization, data: null };
}

function layerWeights(layer: Layer): { tensor: Tensor; bias: Tensor; deviation: number } {
  const { kind, input, kernel = [1, 1], zeroBlocks = 0 } = layer;
  const depth = input.at(-1)!;
  const channels = layer.channels ?? depth;
  const isDepthwise = kind === "DEPTHWISE_CONV_2D";
  const isDense = kind === "FULLY_CONNECTED";
  const shape = isDense
    ? [channels, depth]
    : isDepthwise
      ? [1, ...kernel, channels]
      : [channels, ...kernel, depth];
  const random = new Random(elementCount(shape), channels);
  const elements = elementCount(shape);
  const inputs = isDepthwise ? kernel[0] * kernel[1] : elements / channels;
  const weightDeviation = WEIGHT_DEVIATION * Math.min(1, Math.sqrt(TYPICAL_FAN_IN / inputs));
  const data = Int8Array.from({ length: elements }, () =>
    Math.round(Math.max(-127, Math.min(127, weightDeviation * random.normal()))),
  );
  if (zeroBlocks > 0) clearBlocks(data, channels, depth, zeroBlocks, random);

  const deviation = Math.sqrt(inputs * (1 - zeroBlocks)) * weightDeviation * INPUT_DEVIATION;
  // Fully connected layers of the reference models have one scale.
  const scales = Array.from({ length: isDense ? 1 : channels }, () =>
    Math.fround(WEIGHT_SCALE * random.between(0.7, 1.4)),
  );
  const quantization = { scales, zeroPoints: scales.map(() => 0), axis: isDepthwise ? 3 : 0 };
  const bias = Int32Array.from({ length: channels }, () => Math.round(0.3 * deviation * random.normal()));
  const biasScales = scales.map((scale) => Math.fround(Math.fround(INPUT_SCALE) * scale));
  return {
    tensor: constant("weights", "int8", shape, data, quantization),
    bias: constant("bias", "int32", [channels], bias, { ...quantization, scales: biasScales, axis: 0 }),
    deviation,
  };
}

function constant(
  name: string,
  dtype: "int8" | "int32",
  shape: readonly number[],
  data: Int8Array | Int32Array,
  quantization: Quantization,
): Tensor {
  return { name, shape, dtype, quantization, data: new Uint8Array(data.slice().buffer) };
}

/** Clears the same number of blocks in every row of blocks, at random places. Weights are [channels, depth]. */
function clearBlocks(data: Int8Array, channels: number, depth: number, share: number, random: Random): void {
  const [rows, columns] = BLOCK;
  const across = Math.ceil(depth / columns);
  for (let row = 0; row < channels; row += rows) {
    const order = random.permutation(across);
    for (const block of order.subarray(0, Math.round(share * across))) {
      for (let r = row; r < Math.min(channels, row + rows); r++) {
        const start = r * depth + block * columns;
        data.fill(0, start, Math.min((r + 1) * depth, start + columns));
      }
    }
  }
}
