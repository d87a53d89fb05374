/** Dropout: one fused kernel where it is registered, else the TensorFlow.js operator. */
import * as tf from "@tensorflow/tfjs-core";
import { DROPOUT } from "./kernels/dropout.ts";
import { hasKernel } from "./kernels/kernel.ts";

/**
 * Zeroes each element with probability `rate` and scales the others by 1 / (1 - rate).
 *
 * @param x float32, any shape
 * @param rate in [0, 1)
 * @param seed 32 bits, of this call: the same seed drops the same elements (on the same backend), so use another
 *   one at every step and layer
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, seed: number): T {
  if (!(rate > 0 && rate < 1) || !hasKernel(DROPOUT)) return tf.dropout(x, rate, undefined, seed) as T;
  return tf.engine().runKernel(DROPOUT, { x }, { rate, seed }) as T;
}
