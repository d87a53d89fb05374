/**
 * Quantisation-aware training (Jacob et al. 2018, arXiv 1712.05877): the network computes with weights and activations
 * that are rounded as its int8 form will round them, and learns as if they were not.
 *
 * Batch normalisation is folded into the weights before, and the ranges of activations are those of calibration: so
 * nothing but the weights and biases changes, and `quantizeGraph` gives what was trained.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { TrainingSet } from "../data/training-set.ts";
import { type CalibrationOptions, quantizeOnSet } from "../quantize/from-set.ts";
import type { Affine } from "../quantize/ranges.ts";
import { networkFromGraph } from "./import-tflite.ts";
import { INPUT, type Layer, type NetworkDescription } from "./network/description.ts";
import type { Parameters, PlainNetwork } from "./network/parameters.ts";
import { graphFromNetwork } from "./network/to-graph.ts";

/** Scale and zero point of the input and of what each layer gives, its ReLU included, by name. */
export type Affines = Readonly<Record<string, Affine>>;

/** Rounds to the int8 grid of an affine. The gradient passes where the value is in range. */
export function fakeQuantize(x: tf.Tensor, { scale, zeroPoint }: Affine): tf.Tensor {
  const [low, high] = [-128 - zeroPoint, 127 - zeroPoint];
  const rounded = tf.customGrad((value, save) => {
    const input = value as tf.Tensor;
    (save as (tensors: tf.Tensor[]) => void)([input]);
    return {
      value: tf.mul(tf.clipByValue(tf.round(tf.div(input, scale)), low, high), scale),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        const inside = tf.equal(saved!, tf.clipByValue(saved!, low * scale, high * scale));
        return tf.mul(dy, tf.cast(inside, "float32"));
      },
    };
  });
  return rounded(x);
}

/**
 * Rounds weights to symmetric int8, with the scale of the largest: of each channel, or of all. The gradient passes.
 *
 * @param channelAxis null: one scale
 */
export function fakeQuantizeWeights(weights: tf.Tensor, channelAxis: number | null): tf.Tensor {
  const rounded = tf.customGrad((value) => {
    const input = value as tf.Tensor;
    const axes = input.shape.map((_, axis) => axis).filter((axis) => axis !== channelAxis);
    const scale = tf.maximum(tf.div(tf.max(tf.abs(input), axes, true), 127), 1e-12);
    return { value: tf.mul(tf.round(tf.div(input, scale)), scale), gradFunc: (dy: tf.Tensor) => dy };
  });
  return rounded(weights);
}

/** The output channel of weights as layers have them; dense layers have one scale, as in `quantizeGraph`. */
function channelAxis(layer: Layer): number | null {
  if (layer.kind === "dense") return null;
  return layer.kind === "depthwise" ? 2 : 3;
}

export interface QuantizationAware extends PlainNetwork {
  readonly affines: Affines;
}

/**
 * What quantisation-aware training starts from: a trained network with batch normalisation folded in, and the affines
 * that calibration finds.
 *
 * @throws ThumbnetError where the network cannot be quantised, or the data set does not fit
 */
export async function prepareQuantizationAware(
  description: NetworkDescription,
  parameters: Parameters,
  data: TrainingSet,
  options: CalibrationOptions,
): Promise<QuantizationAware> {
  const folded = networkFromGraph(graphFromNetwork(description, parameters));
  const graph = graphFromNetwork(folded.description, folded.parameters);
  const { int8 } = await quantizeOnSet(graph, data, options, {}, description.name);
  const affines = int8.tensors.flatMap(({ name, data: constant, quantization }) =>
    constant === null
      ? [[name, { scale: quantization!.scales[0]!, zeroPoint: quantization!.zeroPoints[0]! }] as const]
      : [],
  );
  return { ...folded, affines: Object.fromEntries(affines) };
}

/** Rounds what a network without batch normalisation computes with. */
export class FakeQuantizer {
  readonly #layers: readonly Layer[];
  readonly #affines: Affines;

  constructor({ layers }: NetworkDescription, affines: Affines) {
    this.#layers = layers;
    this.#affines = affines;
  }

  weights(layer: Layer, weights: tf.Tensor): tf.Tensor {
    return fakeQuantizeWeights(weights, channelAxis(layer));
  }

  /** @param index of the layer; -1 for the network's input */
  activation(index: number, x: tf.Tensor): tf.Tensor {
    const [before, layer, next] = [index - 1, index, index + 1].map((i) => this.#layers[i]);
    const own = this.#affines[layer?.name ?? INPUT];
    // A ReLU without an affine is part of the operator before it, which has that of both.
    const isInNext = next?.kind === "relu" && this.#affines[next.name] === undefined;
    if (layer !== undefined && isInNext) return x;
    const affine = own ?? (layer?.kind === "relu" ? this.#affines[before!.name] : undefined);
    return affine === undefined ? x : fakeQuantize(x, affine);
  }
}
