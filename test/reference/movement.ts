/** Operators that only move bytes. */
import { elementCount } from "../../src/graph/shape.ts";

/** `paddings[i]` = [before, after] of dimension i, filled with `value`. */
export function pad(
  input: Int8Array,
  shape: readonly number[],
  paddings: readonly (readonly [before: number, after: number])[],
  value: number,
): Int8Array {
  const outputShape = shape.map((size, i) => paddings[i]![0] + size + paddings[i]![1]);
  return Int8Array.from({ length: elementCount(outputShape) }, (_, i) => {
    let rest = i;
    let index = 0;
    let stride = 1;
    let inside = true;
    for (let d = shape.length - 1; d >= 0; d--) {
      const position = (rest % outputShape[d]!) - paddings[d]![0];
      rest = Math.floor(rest / outputShape[d]!);
      if (position < 0 || position >= shape[d]!) inside = false;
      index += position * stride;
      stride *= shape[d]!;
    }
    return inside ? input[index]! : value;
  });
}

/** Joins tensors that agree in every dimension but `axis` (>= 0). */
export function concatenate(
  inputs: readonly Int8Array[],
  shapes: readonly (readonly number[])[],
  axis: number,
): Int8Array {
  const outer = elementCount(shapes[0]!.slice(0, axis));
  const output: number[] = [];
  for (let i = 0; i < outer; i++) {
    inputs.forEach((input, n) => {
      const run = elementCount(shapes[n]!.slice(axis));
      output.push(...input.subarray(i * run, (i + 1) * run));
    });
  }
  return Int8Array.from(output);
}
