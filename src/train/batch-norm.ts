/**
 * Batch normalisation in training mode: statistics of the batch itself, over all axes but the last.
 * One fused kernel forward and one backward where they are registered, else TensorFlow.js operators.
 */
import * as tf from "@tensorflow/tfjs-core";
import { BATCH_NORM } from "./kernels/batch-norm.ts";
import { hasKernel } from "./kernels/kernel.ts";

export interface BatchNormResult {
  /** Same shape as x. */
  readonly y: tf.Tensor;
  /** [C]. No gradient flows through it: it is for the running average. */
  readonly mean: tf.Tensor1D;
  /** [C], biased (divided by the number of elements, not one less); no gradient. */
  readonly variance: tf.Tensor1D;
}

/** What is applied to the normalised value, in the same pass. */
export type BatchNormActivation = "none" | "relu" | "relu6";

const CLAMPS: Readonly<Record<BatchNormActivation, readonly [low: number, high: number]>> = {
  none: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  relu: [0, Number.POSITIVE_INFINITY],
  relu6: [0, 6],
};

/** The same value; no gradient goes back. */
const detach = (x: tf.Tensor) =>
  tf.customGrad((y) => ({ value: tf.clone(y as tf.Tensor), gradFunc: (dy) => tf.zerosLike(dy) }))(x);

/**
 * y = activation(gamma * (x - mean) / sqrt(variance + epsilon) + beta), with gradients for x, gamma and beta.
 *
 * @param x [..., C] float32, any rank from 2
 * @param gamma [C]
 * @param beta [C]
 * @param epsilon added to the variance
 * @param activation fused with the normalisation; cheaper than `tf.relu` afterwards
 */
export function batchNormTrain(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon = 1e-3,
  activation: BatchNormActivation = "none",
): BatchNormResult {
  const channels = x.shape.at(-1);
  for (const values of [gamma, beta]) {
    tf.util.assertShapesMatch(values.shape, [channels!], "batchNormTrain: one value a channel is needed: ");
  }
  if (hasKernel(BATCH_NORM)) {
    const [low, high] = CLAMPS[activation];
    const outputs = tf.engine().runKernel(BATCH_NORM, { x, gamma, beta }, { epsilon, low, high });
    const [y, mean, variance] = outputs as tf.Tensor[];
    return { y: y!, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
  }
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const { mean, variance } = tf.moments(x, axes);
  const normalised = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
  const linear = tf.add(tf.mul(normalised, gamma), beta);
  const y = activation === "relu" ? tf.relu(linear) : activation === "relu6" ? tf.relu6(linear) : linear;
  return { y, mean: detach(mean) as tf.Tensor1D, variance: detach(variance) as tf.Tensor1D };
}
