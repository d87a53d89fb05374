/** One step of gradient descent. */
import * as tf from "@tensorflow/tfjs-core";
import { UNLABELLED } from "../data/training-set.ts";
import type { Adam } from "./adam.ts";
import type { Batch } from "./batches.ts";
import type { Network, TrainingPass } from "./network.ts";

/** What a loss is made of. */
export interface StepContext {
  readonly network: Network;
  /** [N, height, width, channels] */
  readonly x: tf.Tensor4D;
  /** [N, classes] probabilities: the labels, smoothed; zeros where an example has none. */
  readonly targets: tf.Tensor2D;
  readonly batch: Batch;
  /** For `Network.forward`. */
  readonly training: TrainingPass;
}

/** A scalar to be made small. Called inside the gradient; constants (a teacher's answers) may be made there too. */
export type Objective = (context: StepContext) => tf.Scalar;

/** Mean cross-entropy of logits with target probabilities, both [N, classes]. */
export function crossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  return tf.tidy(() => {
    const total = tf.sum(tf.mul(targets, tf.logSoftmax(logits as tf.Tensor2D)));
    return tf.mul(total, -1 / logits.shape[0]!) as tf.Scalar;
  });
}

/** Plain classification. */
export const classification: Objective = ({ network, x, targets, training }) =>
  crossEntropy(network.forward(x, { training }), targets);

export interface StepOptions {
  readonly learningRate: number;
  /** Of the labels' probability, the share that is spread over all classes. */
  readonly labelSmoothing: number;
  /** What the rate of each parameter is multiplied by; default: 1. */
  readonly rateFactor?: (parameter: string) => number;
  /** The gradient of weights (not of biases and batch normalisation) grows by this times the weight. */
  readonly weightDecay: number;
  /** Of the running statistics of batch normalisation: the share of the old ones that stays. */
  readonly statisticsMomentum: number;
  /** For dropout. */
  readonly seed: number;
}

/** Target probabilities, [N, classes]: of mixed examples as much of each as of the inputs. */
function smoothed({ labels, mixture }: Batch, classes: number, smoothing: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  const add = (i: number, label: number, weight: number) => {
    if (label === UNLABELLED) return;
    for (let c = 0; c < classes; c++) targets[i * classes + c]! += (weight * smoothing) / classes;
    targets[i * classes + label]! += weight * (1 - smoothing);
  };
  labels.forEach((label, i) => {
    const share = mixture?.shares[i] ?? 1;
    add(i, label, share);
    if (mixture) add(i, mixture.labels[i]!, 1 - share);
  });
  return targets;
}

/** Trains on one batch. @returns the loss, before the step */
export function trainStep(
  network: Network,
  optimizer: Adam,
  batch: Batch,
  objective: Objective,
  options: StepOptions,
): number {
  const { inputShape } = network.description;
  const count = batch.labels.length;
  const classes = network.shapes.at(-1)![0]!;
  const statistics: [string, tf.Tensor1D, tf.Tensor1D][] = [];
  const loss = tf.tidy(() => {
    const x = tf.tensor4d(batch.inputs, [count, ...inputShape]);
    const targets = tf.tensor2d(smoothed(batch, classes, options.labelSmoothing), [count, classes]);
    const training: TrainingPass = {
      seed: options.seed,
      onStatistics: (layer, mean, variance) => {
        statistics.push([layer, tf.keep(mean), tf.keep(variance)]);
      },
    };
    const { value, grads } = tf.variableGrads(
      () => objective({ network, x, targets, batch, training }),
      network.trainable(),
    );
    if (options.weightDecay > 0) {
      for (const [name, gradient] of Object.entries(grads)) {
        const parameter = network.parameterName(name);
        if (!parameter.endsWith("/weights")) continue;
        grads[name] = tf.add(gradient, tf.mul(network.variable(parameter), options.weightDecay));
      }
    }
    optimizer.learningRate = options.learningRate;
    const { rateFactor } = options;
    optimizer.applyGradients(grads, rateFactor && ((name) => rateFactor(network.parameterName(name))));
    return value.dataSync<"float32">()[0]!;
  });
  for (const [layer, mean, variance] of statistics) {
    network.updateStatistics(layer, mean, variance, options.statisticsMomentum);
    tf.dispose([mean, variance]);
  }
  return loss;
}
