/** Batch normalisation with a fused clamp, over all axes but the last: assembly/train/batch_norm.ts. */
import * as tf from "@tensorflow/tfjs-core";
import { areFloat, type Kernel, sizeOf } from "./kernel.ts";

/** Inputs x, gamma, beta; attributes epsilon, low, high (infinite for no clamp). Outputs y, mean, variance. */
export const BATCH_NORM = "ThumbnetBatchNorm";
/** Inputs x, dy, gamma, beta, mean, variance; the same attributes. Outputs dx, dgamma, dbeta. */
export const BATCH_NORM_GRADIENT = "ThumbnetBatchNormGradient";

export const batchNorm: Kernel = (heap, { x, gamma, beta }, { epsilon, low, high }) => {
  if (!areFloat(x, gamma, beta)) return null;
  const channels = x!.shape.at(-1)!;
  const [y, mean, variance] = [x!.shape, [channels], [channels]].map((shape) => heap.output(shape));
  heap.kernels.batchNorm(
    heap.address(x!),
    heap.address(gamma!),
    heap.address(beta!),
    heap.address(y!),
    heap.address(mean!),
    heap.address(variance!),
    sizeOf(x!.shape) / channels,
    channels,
    epsilon,
    low,
    high,
    heap.scratch(heap.kernels.batchNormScratch(channels)),
  );
  return [y!, mean!, variance!];
};

export const batchNormGradient: Kernel = (heap, inputs, { epsilon, low, high }) => {
  const { x, dy, gamma, beta, mean, variance } = inputs;
  if (!areFloat(x, dy, gamma, beta, mean, variance)) return null;
  const channels = x!.shape.at(-1)!;
  const [dx, dgamma, dbeta] = [x!.shape, [channels], [channels]].map((shape) => heap.output(shape));
  heap.kernels.batchNormGradient(
    heap.address(x!),
    heap.address(dy!),
    heap.address(gamma!),
    heap.address(beta!),
    heap.address(mean!),
    heap.address(variance!),
    heap.address(dx!),
    heap.address(dgamma!),
    heap.address(dbeta!),
    sizeOf(x!.shape) / channels,
    channels,
    epsilon,
    low,
    high,
    heap.scratch(heap.kernels.batchNormScratch(channels)),
  );
  return [dx!, dgamma!, dbeta!];
};

/** `tf.batchNorm`: given statistics. */
export const fusedBatchNorm: Kernel = (heap, inputs, { varianceEpsilon }) => {
  const { x, mean, variance, offset, scale } = inputs;
  const channels = x!.shape.at(-1)!;
  if (!areFloat(x, mean, variance, offset, scale)) return null;
  if ([mean, variance, offset, scale].some((tensor) => sizeOf(tensor!.shape) !== channels)) return null;
  const y = heap.output(x!.shape);
  heap.kernels.normalizeRows(
    heap.address(x!),
    heap.address(scale!),
    heap.address(offset!),
    heap.address(mean!),
    heap.address(variance!),
    heap.address(y),
    sizeOf(x!.shape) / channels,
    channels,
    varianceEpsilon,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    heap.scratch(heap.kernels.batchNormScratch(channels)),
  );
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
