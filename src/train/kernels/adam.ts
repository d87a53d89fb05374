/** One Adam step of one variable: assembly/train/elementwise.ts. */
import { areFloat, type Kernel, sizeOf } from "./kernel.ts";

/**
 * Inputs value, first, second (the moments), gradient; attributes rate, beta1, beta2, correction2, epsilon.
 * Outputs the new value and moments.
 */
export const ADAM = "ThumbnetAdam";

export const adam: Kernel = (heap, { value, first, second, gradient }, attributes) => {
  if (!areFloat(value, first, second, gradient)) return null;
  const inputs = [value!, first!, second!, gradient!] as const;
  const outputs = inputs.slice(0, 3).map(({ shape }) => heap.output(shape));
  const [newValue, newFirst, newSecond] = outputs.map((output) => heap.address(output));
  const { rate, beta1, beta2, correction2, epsilon } = attributes;
  heap.kernels.adam(
    heap.address(value!),
    heap.address(first!),
    heap.address(second!),
    heap.address(gradient!),
    newValue!,
    newFirst!,
    newSecond!,
    sizeOf(value!.shape),
    rate,
    beta1,
    beta2,
    correction2,
    epsilon,
  );
  return outputs;
};
