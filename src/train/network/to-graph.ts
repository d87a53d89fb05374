/** A trained network as a float graph: batch normalisation folded into weights, ReLU into operators. */
import { ThumbnetError } from "../../errors.ts";
import type {
  Activation,
  Graph,
  Operator,
  OperatorKind,
  OperatorOptions,
  Tensor,
} from "../../graph/graph.ts";
import { elementCount } from "../../graph/shape.ts";
import {
  BATCH_NORM_EPSILON,
  inputIndex,
  type Layer,
  layerIndex,
  layerReaders,
  layerShapes,
  type NetworkDescription,
  type Shape,
} from "./description.ts";
import { checkParameters, type Parameters } from "./parameters.ts";

type Weighted = Extract<Layer, { kind: "conv" | "pointwise" | "depthwise" | "dense" }>;

/** The threshold of exits that answer nothing, until better ones are chosen. */
const NEVER = 1;

/** The output of the last layer. */
const PROBABILITIES = "probabilities";

const isWeighted = (layer: Layer): layer is Weighted => "bias" in layer;

/** The parameters of a layer with the batch normalisation after it, in a `.tflite`'s layouts. */
interface Folded {
  /** conv [O,KH,KW,C], depthwise [1,KH,KW,C], dense [O,I] */
  readonly shape: Shape;
  readonly weights: Float32Array;
  /** [O] */
  readonly bias: Float32Array;
}

/** Multiplies by gamma / sqrt(variance + epsilon), and moves the bias so that the sum stays the same. */
function foldLayer(layer: Weighted, norm: Layer | undefined, parameters: Parameters): Folded {
  const of = (from: Layer, kind: string) => parameters.get(`${from.name}/${kind}`)!.values;
  const { shape, values } = parameters.get(`${layer.name}/weights`)!;
  // In TensorFlow's layouts the output channel is last; depthwise ones have a last dimension of 1 after it.
  const channels = layer.kind === "depthwise" ? shape[2]! : shape.at(-1)!;
  const scale = new Float64Array(channels).fill(1);
  const bias = layer.bias ? Float64Array.from(of(layer, "bias")) : new Float64Array(channels);
  if (norm !== undefined) {
    const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map((kind) => of(norm, kind));
    for (let c = 0; c < channels; c++) {
      scale[c] = gamma![c]! / Math.sqrt(variance![c]! + BATCH_NORM_EPSILON);
      bias[c] = beta![c]! + (bias[c]! - mean![c]!) * scale[c]!;
    }
  }
  const weights = new Float32Array(values.length);
  const each = values.length / channels;
  for (let i = 0; i < values.length; i++) {
    const channel = i % channels;
    const target = layer.kind === "depthwise" ? i : channel * each + Math.floor(i / channels);
    weights[target] = values[i]! * scale[channel]!;
  }
  const [height, width] = shape;
  const folded =
    layer.kind === "dense"
      ? [channels, height!]
      : layer.kind === "depthwise"
        ? [1, height!, width!, channels]
        : [channels, height!, width!, shape[2]!];
  return { shape: folded, weights, bias: Float32Array.from(bias) };
}

class Exporter {
  readonly tensors: Tensor[] = [];
  readonly operators: Operator[] = [];
  readonly #network: NetworkDescription;
  readonly #parameters: Parameters;
  readonly #shapes: readonly Shape[];
  readonly #readers: readonly (readonly number[])[];
  /** The tensor of each layer's output; of the input at -1. */
  readonly #outputs = new Map<number, number>();

  constructor(network: NetworkDescription, parameters: Parameters) {
    this.#network = network;
    this.#parameters = parameters;
    this.#shapes = layerShapes(network);
    this.#readers = layerReaders(network);
    this.#outputs.set(-1, this.#tensor("input", [1, ...network.inputShape]));
  }

  #tensor(name: string, shape: Shape, values: Float32Array | null = null): number {
    const data = values && new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.tensors.push({ name, shape, dtype: "float32", quantization: null, data }) - 1;
  }

  #operator<K extends OperatorKind>(
    kind: K,
    inputs: number[],
    options: OperatorOptions[K],
    name: string,
    shape: Shape,
  ): number {
    const output = this.#tensor(name, shape);
    this.operators.push({ kind, inputs, outputs: [output], options } as unknown as Operator);
    return output;
  }

  /** The next layer, if it is of this kind and alone reads layer `index`. */
  #follower<K extends Layer["kind"]>(index: number, kind: K): Extract<Layer, { kind: K }> | undefined {
    const next = this.#network.layers[index + 1];
    const isRead = this.#readers[index]!.length === 1 && this.#readers[index]![0] === index + 1;
    return isRead && next?.kind === kind ? (next as Extract<Layer, { kind: K }>) : undefined;
  }

  /** The activation that follows layer `index`, and how many layers it takes. */
  #activation(index: number): [Activation, number] {
    const relu = this.#follower(index, "relu");
    if (relu === undefined) return ["NONE", 0];
    return [relu.limit === 6 ? "RELU6" : "RELU", 1];
  }

  run(): Graph {
    const { layers, name, exits = [] } = this.#network;
    const classes = this.#shapes.at(-1)!;
    if (classes.length !== 1)
      throw new ThumbnetError(`${name}: the last layer gives [${classes}], not [classes]`);
    const outputs = new Map<string, number>();
    const answer = (layer: string, output: string, temperature = 1) => {
      const logits = this.#outputs.get(layerIndex(this.#network, layer))!;
      const options = { beta: Math.fround(1 / temperature) };
      outputs.set(output, this.#operator("SOFTMAX", [logits], options, output, [1, ...classes]));
    };
    for (let i = 0; i < layers.length; i++) {
      i += this.#layer(i);
      // An exit's probabilities come before the layers that it spares.
      for (const exit of exits)
        if (exit.layer === layers[i]!.name) answer(exit.layer, exit.name, exit.temperature);
    }
    answer(layers.at(-1)!.name, PROBABILITIES, this.#network.temperature);
    const { tensors, operators } = this;
    const of = (output: string) => outputs.get(output)!;
    return {
      name,
      tensors,
      operators,
      inputs: [0],
      outputs: [of(PROBABILITIES), ...exits.map((exit) => of(exit.name))],
      ...(exits.length > 0 && {
        exits: exits.map((exit) => ({
          tensor: of(exit.name),
          criterion: "top" as const,
          thresholds: [NEVER],
        })),
      }),
    };
  }

  /** Adds the operators of a layer. @returns how many layers after it went into them */
  #layer(index: number): number {
    const layer = this.#network.layers[index]!;
    const from = inputIndex(this.#network, index);
    const x = this.#outputs.get(from)!;
    const shape = this.#shapes[index]!;
    const set = (tensor: number, taken = 0): number => {
      for (let i = index; i <= index + taken; i++) this.#outputs.set(i, tensor);
      return taken;
    };
    if (isWeighted(layer)) {
      const norm = layer.kind === "dense" ? undefined : this.#follower(index, "batchNorm");
      const [activation, relu] = this.#activation(index + (norm ? 1 : 0));
      const folded = foldLayer(layer, norm, this.#parameters);
      return set(this.#weighted(layer, x, folded, activation, shape), (norm ? 1 : 0) + relu);
    }
    switch (layer.kind) {
      case "add": {
        const [activation, taken] = this.#activation(index);
        const other = this.#outputs.get(layerIndex(this.#network, layer.other))!;
        return set(this.#operator("ADD", [x, other], { activation }, layer.name, [1, ...shape]), taken);
      }
      case "dropout":
        return set(x);
      case "relu": {
        const kind = layer.limit === 6 ? "RELU6" : "RELU";
        return set(this.#operator(kind, [x], {}, layer.name, [1, ...shape]));
      }
      case "averagePool":
        return set(this.#pool(x, layer.name, layer.kernel, layer.stride, layer.padding, shape));
      case "globalAveragePool": {
        const [height, width, channels] = this.tensors[x]!.shape.slice(1) as [number, number, number];
        const all = [height, width] as const;
        const pooled = this.#pool(x, layer.name, all, all, "VALID", [1, 1, channels]);
        return set(this.#operator("RESHAPE", [pooled], {}, `${layer.name}/flat`, [1, channels]));
      }
      case "batchNorm":
        throw new ThumbnetError(
          `${this.#network.name}: layer "${layer.name}": batch normalisation can be exported after a ` +
            "convolution that nothing else reads",
        );
    }
  }

  #pool(
    x: number,
    name: string,
    [filterHeight, filterWidth]: readonly [number, number],
    [strideHeight, strideWidth]: readonly [number, number],
    padding: "SAME" | "VALID",
    shape: Shape,
  ): number {
    const options = {
      padding,
      filterHeight,
      filterWidth,
      strideHeight,
      strideWidth,
      activation: "NONE" as const,
    };
    return this.#operator("AVERAGE_POOL_2D", [x], options, name, [1, ...shape]);
  }

  #weighted(layer: Weighted, x: number, folded: Folded, activation: Activation, shape: Shape): number {
    const weights = this.#tensor(`${layer.name}/weights`, folded.shape, folded.weights);
    const bias = this.#tensor(`${layer.name}/bias`, [folded.bias.length], folded.bias);
    const output = [1, ...shape];
    if (layer.kind === "dense") {
      const input = this.tensors[x]!.shape;
      const flat =
        input.length === 2
          ? x
          : this.#operator("RESHAPE", [x], {}, `${layer.name}/flat`, [1, elementCount(input)]);
      const options = { activation, keepNumDims: false };
      return this.#operator("FULLY_CONNECTED", [flat, weights, bias], options, layer.name, output);
    }
    const [stride, padding] =
      layer.kind === "pointwise" ? [[1, 1] as const, "SAME" as const] : [layer.stride, layer.padding];
    const window = {
      padding,
      strideHeight: stride[0],
      strideWidth: stride[1],
      activation,
      dilationHeight: 1,
      dilationWidth: 1,
    };
    return layer.kind === "depthwise"
      ? this.#operator(
          "DEPTHWISE_CONV_2D",
          [x, weights, bias],
          { ...window, depthMultiplier: 1 },
          layer.name,
          output,
        )
      : this.#operator("CONV_2D", [x, weights, bias], window, layer.name, output);
  }
}

/**
 * The float graph that gives the network's class probabilities: the folded layers and a softmax; those of exits come
 * after the first output, in order, and answer nothing as yet (see `tuneExits`). Write it with `tfliteFromGraph` and `writeTflite`.
 *
 * @throws ThumbnetError when the parameters do not fit, or a layer has no form in a `.tflite`
 */
export function graphFromNetwork(network: NetworkDescription, parameters: Parameters): Graph {
  checkParameters(network, parameters);
  return new Exporter(network, parameters).run();
}
