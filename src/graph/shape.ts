import { ThumbnetError } from "../errors.ts";
import type { DType, Padding } from "./graph.ts";

const BYTES: Record<DType, number> = {
  int8: 1,
  uint8: 1,
  bool: 1,
  int16: 2,
  float16: 2,
  int32: 4,
  float32: 4,
  int64: 8,
  float64: 8,
};

export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype];
}

/** Number of elements; a scalar (shape []) has one. Exact as long as the result is below 2^53. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** `[1,25,5,64]`, as messages and tables show a shape. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(",")}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/** One dimension of a sliding window: output size and padding before the first element. */
export interface WindowExtent {
  readonly output: number;
  readonly before: number;
}

/**
 * Output size and leading padding of a convolution or pool along one dimension, as TensorFlow Lite counts
 * them: SAME pads so that output = ceil(input / stride), the odd element after.
 *
 * @throws ThumbnetError when a VALID window is larger than the input
 */
export function windowExtent(
  padding: Padding,
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): WindowExtent {
  const span = (kernel - 1) * dilation + 1;
  if (padding === "VALID") {
    if (span > input) throw new ThumbnetError(`a VALID window of ${span} does not fit an input of ${input}`);
    return { output: Math.floor((input - span) / stride) + 1, before: 0 };
  }
  const output = Math.ceil(input / stride);
  const total = Math.max(0, (output - 1) * stride + span - input);
  return { output, before: Math.floor(total / 2) };
}
