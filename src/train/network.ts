/** A network on TensorFlow.js: its variables, and its forward pass in training and in inference. */
import * as tf from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../errors.ts";
import { batchNormTrain } from "./batch-norm.ts";
import { dropout } from "./dropout.ts";
import {
  BATCH_NORM_EPSILON,
  INPUT,
  inputIndex,
  type Layer,
  layerIndex,
  layerReaders,
  layerShapes,
  layersRead,
  type NetworkDescription,
  networkParameters,
  type Shape,
} from "./network/description.ts";
import { checkParameters, type Parameters, type Values } from "./network/parameters.ts";
import type { FakeQuantizer } from "./quantization-aware.ts";

/** What a forward pass in training needs, and gives beside its result. */
export interface TrainingPass {
  /** For dropout: another one at every step. */
  readonly seed: number;
  /** Gets the batch's mean and variance of each batch normalisation, [channels]. */
  readonly onStatistics?: (layer: string, mean: tf.Tensor1D, variance: tf.Tensor1D) => void;
}

export interface ForwardOptions {
  /** Default: inference, with the running statistics. */
  readonly training?: TrainingPass;
  /** `x` is the output of this layer, and what comes after it is computed; default: the network's input. */
  readonly after?: string;
  /** The layer whose output is wanted; default: the last, the logits. */
  readonly upTo?: string;
}

const isStatistic = (kind: string) => kind === "mean" || kind === "variance";

export class Network {
  readonly description: NetworkDescription;
  readonly shapes: readonly Shape[];
  /** Rounds weights and activations, in training and in inference; null: nothing is rounded. */
  fakeQuantizer: FakeQuantizer | null = null;
  readonly #scope: string;
  readonly #variables = new Map<string, tf.Variable>();
  readonly #readers: readonly (readonly number[])[];

  /**
   * @param scope put before the names of the variables, which must be different for all networks that live at once
   * @throws ThumbnetError when the parameters do not fit
   */
  constructor(description: NetworkDescription, parameters: Parameters, scope = "") {
    checkParameters(description, parameters);
    this.description = description;
    this.shapes = layerShapes(description);
    this.#scope = scope;
    for (const { name, shape, kind } of networkParameters(description)) {
      const initial = tf.tensor(parameters.get(name)!.values, [...shape]);
      const variable = tf.variable(initial, !isStatistic(kind), scope + name);
      initial.dispose();
      this.#variables.set(name, variable);
    }
    this.#readers = layerReaders(description);
  }

  /** The variable of a parameter. */
  variable(name: string): tf.Variable {
    return this.#variables.get(name)!;
  }

  /** What learns. */
  trainable(): tf.Variable[] {
    return this.description.layers.flatMap(({ name }) =>
      ["weights", "bias", "gamma", "beta"].flatMap((kind) => this.#variables.get(`${name}/${kind}`) ?? []),
    );
  }

  /**
   * @param x [N, height, width, channels], or what the layer `after` gives
   * @returns [N, classes] logits, or what the layer `upTo` gives. Call it inside `tf.tidy`.
   */
  forward(x: tf.Tensor, { upTo, ...options }: ForwardOptions = {}): tf.Tensor {
    return this.forwardTo(x, [upTo ?? this.description.layers.at(-1)!.name], options)[0]!;
  }

  /** As `forward`, for several layers: what leads to more than one of them is computed once. */
  forwardTo(
    x: tf.Tensor,
    wanted: readonly string[],
    { training, after }: Omit<ForwardOptions, "upTo"> = {},
  ): tf.Tensor[] {
    const { layers } = this.description;
    const first = after === undefined ? -1 : layerIndex(this.description, after);
    const results = wanted.map((name) => layerIndex(this.description, name));
    const needed = this.#needed(results, first);
    const rounded = (index: number, value: tf.Tensor) =>
      this.fakeQuantizer?.activation(index, value) ?? value;
    const outputs = new Map<number, tf.Tensor>([[first, first < 0 ? rounded(first, x) : x]]);
    for (const i of needed) {
      if (outputs.has(i)) continue;
      const layer = layers[i]!;
      const input = outputs.get(inputIndex(this.description, i))!;
      const next = layers[i + 1];
      // Batch normalisation and the ReLU that alone reads it are one kernel in training.
      const isFused =
        layer.kind === "batchNorm" &&
        training !== undefined &&
        next?.kind === "relu" &&
        !results.includes(i) &&
        this.#readers[i]!.length === 1 &&
        this.#readers[i]![0] === i + 1;
      if (isFused) {
        outputs.set(i + 1, this.#normalize(layer, input, training!, next.limit === 6 ? "relu6" : "relu"));
        continue;
      }
      const other = layer.kind === "add" ? outputs.get(layerIndex(this.description, layer.other)) : undefined;
      outputs.set(i, rounded(i, this.#layer(i, input, other, training)));
    }
    return results.map((index) => outputs.get(index)!);
  }

  /** The layers that lead to others, in order. @param first where it starts, not among them; -1: the input */
  #needed(wanted: readonly number[], first: number): number[] {
    const { layers, name } = this.description;
    const needed = new Set<number>();
    const add = (index: number, reader: number | null): void => {
      if ((index === first && reader !== null) || needed.has(index)) return;
      if (index <= first) {
        const after = `"${layers[first]?.name ?? INPUT}"`;
        if (reader === null)
          throw new ThumbnetError(`${name}: nothing from ${after} to "${layers[index]?.name}"`);
        throw new ThumbnetError(`${name}: layer "${layers[reader]!.name}" reads what comes before ${after}`);
      }
      needed.add(index);
      for (const read of layersRead(this.description, index)) add(read, index);
    };
    for (const index of wanted) add(index, null);
    return [...needed].sort((a, b) => a - b);
  }

  #normalize(
    layer: Layer,
    x: tf.Tensor,
    training: TrainingPass,
    activation: "none" | "relu" | "relu6",
  ): tf.Tensor {
    const [gamma, beta] = ["gamma", "beta"].map((kind) => this.#of(layer, kind) as tf.Tensor as tf.Tensor1D);
    const { y, mean, variance } = batchNormTrain(x, gamma!, beta!, BATCH_NORM_EPSILON, activation);
    training.onStatistics?.(layer.name, mean, variance);
    return y;
  }

  #weights(layer: Layer): tf.Tensor {
    const weights = this.#of(layer, "weights");
    return this.fakeQuantizer?.weights(layer, weights) ?? weights;
  }

  #of(layer: Layer, kind: string): tf.Variable {
    return this.#variables.get(`${layer.name}/${kind}`)!;
  }

  #layer(index: number, x: tf.Tensor, other: tf.Tensor | undefined, training?: TrainingPass): tf.Tensor {
    const layer = this.description.layers[index]!;
    const batch = x.shape[0]!;
    const biased = (y: tf.Tensor, bias: boolean) => (bias ? tf.add(y, this.#of(layer, "bias")) : y);
    switch (layer.kind) {
      case "conv":
      case "pointwise": {
        const [stride, padding] = layer.kind === "conv" ? [layer.stride, layer.padding] : [[1, 1], "SAME"];
        const weights = this.#weights(layer) as tf.Tensor4D;
        const mode = padding === "SAME" ? "same" : "valid";
        return biased(tf.conv2d(x as tf.Tensor4D, weights, [stride[0]!, stride[1]!], mode), layer.bias);
      }
      case "depthwise": {
        const weights = this.#weights(layer) as tf.Tensor4D;
        const mode = layer.padding === "SAME" ? "same" : "valid";
        return biased(tf.depthwiseConv2d(x as tf.Tensor4D, weights, [...layer.stride], mode), layer.bias);
      }
      case "batchNorm": {
        if (training !== undefined) return this.#normalize(layer, x, training, "none");
        const [mean, variance, beta, gamma] = ["mean", "variance", "beta", "gamma"].map(
          (kind) => this.#of(layer, kind) as tf.Tensor as tf.Tensor1D,
        );
        return tf.batchNorm(x, mean!, variance!, beta!, gamma!, BATCH_NORM_EPSILON);
      }
      case "relu":
        return layer.limit === 6 ? tf.relu6(x) : tf.relu(x);
      case "dropout":
        return training !== undefined ? dropout(x, layer.rate, training.seed + index) : x;
      case "globalAveragePool":
        return tf.mean(x, [1, 2]);
      case "averagePool": {
        const mode = layer.padding === "SAME" ? "same" : "valid";
        return tf.avgPool(x as tf.Tensor4D, [...layer.kernel], [...layer.stride], mode);
      }
      case "dense":
        return biased(tf.matMul(tf.reshape(x, [batch, -1]), this.#weights(layer) as tf.Tensor2D), layer.bias);
      case "add":
        return tf.add(x, other!);
    }
  }

  /**
   * Moves the running statistics of a layer towards those of a batch.
   *
   * @param momentum share of the old statistics that stays
   */
  updateStatistics(layer: string, mean: tf.Tensor1D, variance: tf.Tensor1D, momentum: number): void {
    for (const [kind, seen] of [["mean", mean] as const, ["variance", variance] as const]) {
      const variable = this.#variables.get(`${layer}/${kind}`)!;
      const moved = tf.tidy(() => tf.add(tf.mul(variable, momentum), tf.mul(seen, 1 - momentum)));
      variable.assign(moved);
      moved.dispose();
    }
  }

  /** A copy of all parameters. */
  parameters(): Map<string, Values> {
    return new Map(
      [...this.#variables].map(([name, variable]) => [
        name,
        { shape: variable.shape, values: variable.dataSync<"float32">().slice() },
      ]),
    );
  }

  /** Takes over values of all parameters. @throws ThumbnetError when they do not fit */
  assign(parameters: Parameters): void {
    checkParameters(this.description, parameters);
    for (const [name, variable] of this.#variables) {
      const value = tf.tensor(parameters.get(name)!.values, variable.shape);
      variable.assign(value);
      value.dispose();
    }
  }

  /** The name of a parameter whose variable has this name. */
  parameterName(variable: string): string {
    return variable.slice(this.#scope.length);
  }

  dispose(): void {
    for (const variable of this.#variables.values()) variable.dispose();
    this.#variables.clear();
  }
}
