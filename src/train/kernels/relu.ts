/** ReLU, ReLU6 and their gradient: assembly/train/elementwise.ts. */
import { elementCount } from "../../graph/shape.ts";
import { areFloat, type Kernel } from "./kernel.ts";

/** Inputs y (the output) and dy; attribute limit: 6, or Infinity. */
export const RELU_GRADIENT = "ThumbnetReluGradient";

const clamp =
  (limit: number): Kernel =>
  (heap, { x }) => {
    if (!areFloat(x)) return null;
    const y = heap.output(x!.shape);
    heap.kernels.relu(heap.address(x!), heap.address(y), elementCount(x!.shape), limit);
    return y;
  };

export const relu = clamp(Number.POSITIVE_INFINITY);
export const relu6 = clamp(6);

export const reluGradient: Kernel = (heap, { y, dy }, { limit }) => {
  if (!areFloat(y, dy)) return null;
  const dx = heap.output(dy!.shape);
  const [output, gradient] = [heap.address(y!), heap.address(dy!)];
  heap.kernels.reluGradient(output, gradient, heap.address(dx), elementCount(dy!.shape), limit);
  return dx;
};
