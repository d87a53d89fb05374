/** Accuracy of a float network on TensorFlow.js. */
import * as tf from "@tensorflow/tfjs-core";
import { type Examples, inputsOf } from "../data/training-set.ts";
import { elementCount } from "../graph/shape.ts";
import { layerIndex } from "./network/description.ts";
import type { Network } from "./network.ts";

export interface Evaluation {
  /** Share of examples whose largest logit is their class, the first on a tie. */
  readonly accuracy: number;
  /** Mean cross-entropy, natural logarithm. */
  readonly loss: number;
}

const BATCH = 250;

/**
 * What some layers give on examples, each [N, elements].
 *
 * @param indices of the examples; default: all
 */
export function outputsOf(
  network: Network,
  examples: Examples,
  layers: readonly string[],
  indices: ArrayLike<number> = Uint32Array.from({ length: examples.count }, (_, i) => i),
): Float32Array[] {
  const { inputShape } = network.description;
  const elements = elementCount(inputShape);
  const all = Array.from(indices);
  const sizes = layers.map((name) => elementCount(network.shapes[layerIndex(network.description, name)]!));
  const results = sizes.map((size) => new Float32Array(all.length * size));
  for (let start = 0; start < all.length; start += BATCH) {
    const part = all.slice(start, start + BATCH);
    const inputs = inputsOf(examples, part, elements);
    const outputs = tf.tidy(() =>
      network
        .forwardTo(tf.tensor(inputs, [part.length, ...inputShape]), layers)
        .map((output) => output.dataSync<"float32">()),
    );
    outputs.forEach((output, i) => {
      results[i]!.set(output, start * sizes[i]!);
    });
  }
  return results;
}

/** Logits of examples, [N, classes]; of some of them where `indices` are given. */
export function logitsOf(network: Network, examples: Examples, indices?: ArrayLike<number>): Float32Array {
  return outputsOf(network, examples, [network.description.layers.at(-1)!.name], indices)[0]!;
}

/** Accuracy and loss of logits [N, classes]. */
export function score(logits: Float32Array, labels: ArrayLike<number>): Evaluation {
  const classes = logits.length / labels.length;
  let [right, loss] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const largest = row.reduce((a, b) => Math.max(a, b));
    if (row.indexOf(largest) === labels[i]) right++;
    const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
    loss += Math.log(sum) + largest - row[labels[i]!]!;
  }
  return { accuracy: right / labels.length, loss: loss / labels.length };
}

/** @param labels the class of each; default: the examples' own */
export function evaluate(network: Network, examples: Examples, labels = examples.labels): Evaluation {
  return score(logitsOf(network, examples), labels);
}
