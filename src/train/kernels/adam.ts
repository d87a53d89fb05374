/** One Adam step of one variable: assembly/train/elementwise.ts. */
import { elementCount } from "../../graph/shape.ts";
import { areFloat, type Kernel } from "./kernel.ts";

/**
 * Inputs value, first, second (the moments), gradient; attributes rate, beta1, beta2, correction2, epsilon.
 * Outputs the new value and moments.
 */
export const ADAM = "ThumbnetAdam";

export const adam: Kernel = (heap, { value, first, second, gradient }, attributes) => {
  if (!areFloat(value, first, second, gradient)) return null;
  const { shape } = value!;
  const outputs = [heap.output(shape), heap.output(shape), heap.output(shape)] as const;
  const { rate, beta1, beta2, correction2, epsilon } = attributes;
  heap.kernels.adam(
    ...heap.addresses(value!, first!, second!, gradient!, ...outputs),
    elementCount(shape),
    rate,
    beta1,
    beta2,
    correction2,
    epsilon,
  );
  return [...outputs];
};
