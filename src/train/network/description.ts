/**
 * A float network as plain data: a list of layers, each reading the one before it or one that it names. Shapes
 * are NHWC without the batch, [height, width, channels] or [features].
 */
import { ThumbnetError } from "../../errors.ts";
import type { Padding } from "../../graph/graph.ts";
import { elementCount, formatShape, sameShape, windowExtent } from "../../graph/shape.ts";

interface Common {
  readonly name: string;
  /** The layer, or `INPUT`, that this one reads; default: the one before it. */
  readonly input?: string;
}

interface Window {
  /** [height, width] */
  readonly stride: readonly [number, number];
  readonly padding: Padding;
}

interface Kernel extends Window {
  /** [height, width] */
  readonly kernel: readonly [number, number];
}

export interface Conv extends Common, Kernel {
  readonly kind: "conv";
  readonly filters: number;
  readonly bias: boolean;
}

/** One filter a channel. */
export interface Depthwise extends Common, Kernel {
  readonly kind: "depthwise";
  readonly bias: boolean;
}

/** A 1x1 convolution, stride 1. */
export interface Pointwise extends Common {
  readonly kind: "pointwise";
  readonly filters: number;
  readonly bias: boolean;
}

export interface BatchNorm extends Common {
  readonly kind: "batchNorm";
}

export interface Relu extends Common {
  readonly kind: "relu";
  /** 6 for ReLU6; default: no limit. */
  readonly limit?: 6;
}

/** Acts in training only. */
export interface Dropout extends Common {
  readonly kind: "dropout";
  /** The share of elements that become 0. */
  readonly rate: number;
}

/** [H,W,C] -> [C] */
export interface GlobalAveragePool extends Common {
  readonly kind: "globalAveragePool";
}

export interface AveragePool extends Common, Kernel {
  readonly kind: "averagePool";
}

/** Reads its input flattened. */
export interface Dense extends Common {
  readonly kind: "dense";
  readonly units: number;
  readonly bias: boolean;
}

/** The sum of its input and of another layer of the same shape. */
export interface Add extends Common {
  readonly kind: "add";
  readonly other: string;
}

export type Layer =
  | Conv
  | Depthwise
  | Pointwise
  | BatchNorm
  | Relu
  | Dropout
  | GlobalAveragePool
  | AveragePool
  | Dense
  | Add;

/** Logits that may answer in place of the last layer's. */
export interface ExitLayer {
  /** What its probabilities are called in exported models. */
  readonly name: string;
  /** The layer that gives its logits, [classes]. */
  readonly layer: string;
  /** What its logits are divided by before the softmax of exported models; default: 1. */
  readonly temperature?: number;
}

export interface NetworkDescription {
  readonly name: string;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  /** The last one gives the logits, [classes]; a softmax follows it in exported models. */
  readonly layers: readonly Layer[];
  /** Early exits, in the order in which they are decided; each comes before the layers that it spares. */
  readonly exits?: readonly ExitLayer[];
  /** What the last layer's logits are divided by before the softmax of exported models; default: 1. */
  readonly temperature?: number;
}

/** What layers call the network's input. */
export const INPUT = "input";

/** Of batch normalisation: what Keras takes. */
export const BATCH_NORM_EPSILON = 1e-3;

export type Shape = readonly number[];

/** The index of what a layer reads: of a layer, or -1 for the network's input. */
export function inputIndex(network: NetworkDescription, layer: number): number {
  const { input } = network.layers[layer]!;
  return input === undefined ? layer - 1 : layerIndex(network, input);
}

/** @returns the index of a layer, or -1 for `INPUT`. @throws ThumbnetError when there is no such layer */
export function layerIndex(network: NetworkDescription, name: string): number {
  if (name === INPUT) return -1;
  const index = network.layers.findIndex((layer) => layer.name === name);
  if (index >= 0) return index;
  const names = network.layers.map((layer) => layer.name).join(", ");
  throw new ThumbnetError(`${network.name}: no layer "${name}"; there are: ${names}`);
}

/** The indices of all that a layer reads: of layers, or -1 for the network's input. */
export function layersRead(network: NetworkDescription, index: number): number[] {
  const layer = network.layers[index]!;
  const other = layer.kind === "add" ? [layerIndex(network, layer.other)] : [];
  return [inputIndex(network, index), ...other];
}

/** By layer: the layers that read it, in order. */
export function layerReaders(network: NetworkDescription): number[][] {
  const read = network.layers.map((_, i) => layersRead(network, i));
  return network.layers.map((_, i) => Array.from(read.keys()).filter((reader) => read[reader]!.includes(i)));
}

function windowShape(input: Shape, layer: Kernel, channels: number): Shape {
  const [height, width] = [0, 1].map(
    (i) => windowExtent(layer.padding, input[i]!, layer.kernel[i]!, layer.stride[i]!, 1).output,
  );
  return [height!, width!, channels];
}

function layerShape(layer: Layer, input: Shape, other: Shape | undefined): Shape {
  if (input.length !== 3 && /conv|depthwise|pointwise|Pool/.test(layer.kind)) {
    throw new ThumbnetError(`reads ${formatShape(input)}; it takes [height,width,channels]`);
  }
  switch (layer.kind) {
    case "conv":
      return windowShape(input, layer, layer.filters);
    case "depthwise":
    case "averagePool":
      return windowShape(input, layer, input[2]!);
    case "pointwise":
      return [input[0]!, input[1]!, layer.filters];
    case "globalAveragePool":
      return [input[2]!];
    case "dense":
      return [layer.units];
    case "add":
      if (!sameShape(input, other!)) {
        throw new ThumbnetError(`adds ${formatShape(input)} and ${formatShape(other!)}; they must be equal`);
      }
      return input;
    default:
      return input;
  }
}

/**
 * The output shape of every layer.
 *
 * @throws ThumbnetError naming the layer or exit that does not fit, has a name twice or reads what is not before it
 */
export function layerShapes(network: NetworkDescription): Shape[] {
  const shapes: Shape[] = [];
  const names = new Set([INPUT]);
  network.layers.forEach((layer, i) => {
    try {
      if (names.has(layer.name)) throw new ThumbnetError("has a name that is taken");
      names.add(layer.name);
      const shapeOf = (index: number): Shape => {
        if (index >= i) throw new ThumbnetError("reads a layer that comes after it");
        return index < 0 ? network.inputShape : shapes[index]!;
      };
      const other = layer.kind === "add" ? shapeOf(layerIndex(network, layer.other)) : undefined;
      const shape = layerShape(layer, shapeOf(inputIndex(network, i)), other);
      if (!shape.every((size) => Number.isInteger(size) && size >= 1)) {
        throw new ThumbnetError(`has the shape ${formatShape(shape)}`);
      }
      shapes.push(shape);
    } catch (error) {
      if (!(error instanceof ThumbnetError)) throw error;
      throw new ThumbnetError(`${network.name}: layer "${layer.name}" (${layer.kind}): ${error.message}`);
    }
  });
  for (const { name, layer } of network.exits ?? []) {
    const shape = shapes[layerIndex(network, layer)] ?? network.inputShape;
    if (sameShape(shape, shapes.at(-1)!) && layer !== network.layers.at(-1)!.name) continue;
    const found = `layer "${layer}", which gives ${formatShape(shape)}`;
    const wanted = `another layer than the last, of its shape ${formatShape(shapes.at(-1)!)}`;
    throw new ThumbnetError(`${network.name}: exit "${name}" is ${found}; it must be ${wanted}`);
  }
  return shapes;
}

/** The number of classes: of logits. */
export function classCount(network: NetworkDescription): number {
  return elementCount(layerShapes(network).at(-1) ?? [0]);
}

/** A layer's parameters by name: what gradients change, and running statistics. */
export interface ParameterShape {
  /** `<layer>/<what>` */
  readonly name: string;
  readonly shape: Shape;
  readonly kind: "weights" | "bias" | "gamma" | "beta" | "mean" | "variance";
  /** Inputs that one output element sums over; for weights only. */
  readonly fanIn: number;
}

/**
 * The parameters of a layer, in TensorFlow's layouts: conv and pointwise [KH,KW,C,O], depthwise [KH,KW,C,1],
 * dense [I,O].
 */
export function layerParameters(layer: Layer, input: Shape): ParameterShape[] {
  const channels = input.at(-1)!;
  const entry = (kind: ParameterShape["kind"], shape: Shape, fanIn = 1): ParameterShape => ({
    name: `${layer.name}/${kind}`,
    shape,
    kind,
    fanIn,
  });
  const weighted = (shape: Shape, fanIn: number, outputs: number, bias: boolean) => [
    entry("weights", shape, fanIn),
    ...(bias ? [entry("bias", [outputs])] : []),
  ];
  switch (layer.kind) {
    case "conv": {
      const [height, width] = layer.kernel;
      const shape = [height, width, channels, layer.filters];
      return weighted(shape, height * width * channels, layer.filters, layer.bias);
    }
    case "pointwise":
      return weighted([1, 1, channels, layer.filters], channels, layer.filters, layer.bias);
    case "depthwise": {
      const [height, width] = layer.kernel;
      return weighted([height, width, channels, 1], height * width, channels, layer.bias);
    }
    case "dense": {
      const inputs = elementCount(input);
      return weighted([inputs, layer.units], inputs, layer.units, layer.bias);
    }
    case "batchNorm":
      return (["gamma", "beta", "mean", "variance"] as const).map((kind) => entry(kind, [channels]));
    default:
      return [];
  }
}

/** The parameters of all layers, in order. */
export function networkParameters(network: NetworkDescription): ParameterShape[] {
  const shapes = layerShapes(network);
  return network.layers.flatMap((layer, i) => {
    const from = inputIndex(network, i);
    return layerParameters(layer, from < 0 ? network.inputShape : shapes[from]!);
  });
}

export interface NetworkCost {
  /** Multiply-accumulates of one inference, in convolutions and dense layers. */
  readonly macs: number;
  /** Weights and biases with batch normalisation folded in: what an exported model holds. */
  readonly parameters: number;
  /** As Keras counts them when every layer has a bias: with the four values a channel of batch normalisation. */
  readonly kerasParameters: number;
}

export function networkCost(network: NetworkDescription): NetworkCost {
  const shapes = layerShapes(network);
  let [macs, parameters, kerasParameters] = [0, 0, 0];
  network.layers.forEach((layer, i) => {
    const from = inputIndex(network, i);
    const entries = layerParameters(layer, from < 0 ? network.inputShape : shapes[from]!);
    const weights = entries.find(({ kind }) => kind === "weights");
    if (layer.kind === "batchNorm") kerasParameters += 4 * shapes[i]!.at(-1)!;
    if (weights === undefined) return;
    macs += elementCount(shapes[i]!) * weights.fanIn;
    const withBias = elementCount(weights.shape) + shapes[i]!.at(-1)!;
    parameters += withBias;
    kerasParameters += withBias;
  });
  return { macs, parameters, kerasParameters };
}
