/** Batch normalisation with a fused clamp, over all axes but the last: assembly/train/batch_norm.ts. */
import * as tf from "@tensorflow/tfjs-core";
import { elementCount } from "../../graph/shape.ts";
import type { Heap } from "./heap.ts";
import { type Attributes, areFloat, type Kernel } from "./kernel.ts";

/** Inputs x, gamma, beta; attributes epsilon, low, high (infinite for no clamp). Outputs y, mean, variance. */
export const BATCH_NORM = "ThumbnetBatchNorm";
/** Inputs x, dy, gamma, beta, mean, variance; the same attributes. Outputs dx, dgamma, dbeta. */
export const BATCH_NORM_GRADIENT = "ThumbnetBatchNormGradient";

/** What all of these take at the end: the form of x, attributes, scratch. */
function lastArguments(heap: Heap, shape: readonly number[], { epsilon, low, high }: Attributes) {
  const channels = shape.at(-1)!;
  const scratch = heap.scratch(heap.kernels.batchNormScratch(channels));
  return [elementCount(shape) / channels, channels, epsilon, low, high, scratch] as const;
}

/** A result of x's shape and two of one value a channel. */
function results(heap: Heap, shape: number[]): [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo] {
  const channels = shape.at(-1)!;
  return [heap.output(shape), heap.output([channels]), heap.output([channels])];
}

export const batchNorm: Kernel = (heap, { x, gamma, beta }, attributes) => {
  if (!areFloat(x, gamma, beta)) return null;
  const { shape } = x!;
  const outputs = results(heap, shape);
  const addresses = heap.addresses(x!, gamma!, beta!, ...outputs);
  heap.kernels.batchNorm(...addresses, ...lastArguments(heap, shape, attributes));
  return outputs;
};

export const batchNormGradient: Kernel = (heap, inputs, attributes) => {
  const { x, dy, gamma, beta, mean, variance } = inputs;
  if (!areFloat(x, dy, gamma, beta, mean, variance)) return null;
  const { shape } = x!;
  const outputs = results(heap, shape);
  const addresses = heap.addresses(x!, dy!, gamma!, beta!, mean!, variance!, ...outputs);
  heap.kernels.batchNormGradient(...addresses, ...lastArguments(heap, shape, attributes));
  return outputs;
};

/** `tf.batchNorm`: given statistics, no clamp. */
export const fusedBatchNorm: Kernel = (heap, inputs, { varianceEpsilon: epsilon }) => {
  const { x, mean, variance, offset, scale } = inputs;
  if (!areFloat(x, mean, variance, offset, scale)) return null;
  const { shape } = x!;
  const channels = shape.at(-1)!;
  if ([mean, variance, offset, scale].some((tensor) => elementCount(tensor!.shape) !== channels)) return null;
  const y = heap.output(shape);
  const addresses = heap.addresses(x!, scale!, offset!, mean!, variance!, y);
  const attributes = { epsilon, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  heap.kernels.normalizeRows(...addresses, ...lastArguments(heap, shape, attributes));
  return y;
};

export function registerBatchNormGradient(): void {
  tf.registerGradient({
    kernelName: BATCH_NORM,
    inputsToSave: ["x", "gamma", "beta"],
    outputsToSave: [false, true, true],
    gradFunc: (dys, [x, gamma, beta, mean, variance], attributes) => {
      const dy = (dys as tf.Tensor[])[0]!;
      const inputs = { x: x!, dy, gamma: gamma!, beta: beta!, mean: mean!, variance: variance! };
      const outputs = tf.engine().runKernel(BATCH_NORM_GRADIENT, inputs, attributes);
      const [dx, dgamma, dbeta] = outputs as tf.Tensor[];
      return { x: () => dx!, gamma: () => dgamma!, beta: () => dbeta! };
    },
  });
}
