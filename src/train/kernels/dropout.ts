/** Dropout, its own gradient: assembly/train/elementwise.ts. */
import * as tf from "@tensorflow/tfjs-core";
import { elementCount } from "../../graph/shape.ts";
import { areFloat, type Kernel } from "./kernel.ts";

/** Input x; attributes rate, seed. */
export const DROPOUT = "ThumbnetDropout";

export const dropout: Kernel = (heap, { x }, { rate, seed }) => {
  if (!areFloat(x)) return null;
  const y = heap.output(x!.shape);
  const dropBelow = Math.min(Math.round(rate * 2 ** 16), 2 ** 16 - 1);
  const count = elementCount(x!.shape);
  heap.kernels.dropout(heap.address(x!), heap.address(y), count, dropBelow, 1 / (1 - rate), seed);
  return y;
};

export function registerDropoutGradient(): void {
  tf.registerGradient({
    kernelName: DROPOUT,
    gradFunc: (dy, _, attributes) => ({
      x: () => tf.engine().runKernel(DROPOUT, { x: dy as tf.Tensor }, attributes) as tf.Tensor,
    }),
  });
}
