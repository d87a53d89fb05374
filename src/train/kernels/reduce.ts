/** Sum and mean over neighbouring axes, and their gradients' repetition: assembly/train/reduce.ts. */
import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { elementCount } from "../../graph/shape.ts";
import type { Heap } from "./heap.ts";
import { type Attributes, areFloat, type Kernel } from "./kernel.ts";

/** A shape as [outer, middle, inner] with `axes` (rising) the middle ones, or null where they are not neighbours. */
function around(shape: number[], axes: number[]): [number, number, number] | null {
  const [first, last] = [axes[0], axes.at(-1)];
  if (first === undefined || last! - first !== axes.length - 1) return null;
  const parts = [shape.slice(0, first), shape.slice(first, last! + 1), shape.slice(last! + 1)];
  return parts.map(elementCount) as [number, number, number];
}

function reduce(
  heap: Heap,
  x: TensorInfo,
  { axis, keepDims }: Attributes,
  isMean: boolean,
): TensorInfo | null {
  if (!areFloat(x)) return null;
  const axes = util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
  const sizes = around(x.shape, axes);
  if (sizes === null) return null;
  const [outer, middle, inner] = sizes;
  const shape = keepDims
    ? x.shape.map((size, i) => (axes.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !axes.includes(i));
  const sums = heap.output(shape);
  const { kernels } = heap;
  const scratch = heap.scratch(kernels.columnSumsScratch(inner));
  const scale = isMean ? 1 / middle : 1;
  kernels.sumMiddle(heap.address(x), heap.address(sums), outer, middle, inner, scale, scratch);
  return sums;
}

export const sum: Kernel = (heap, { x }, attributes) => reduce(heap, x!, attributes, false);
export const mean: Kernel = (heap, { x }, attributes) => reduce(heap, x!, attributes, true);

/** Tile, where only neighbouring axes of size 1 are repeated: what broadcasting a sum's gradient comes to. */
export const tile: Kernel = (heap, { x }, { reps }: Attributes) => {
  const repeated = (reps as number[]).flatMap((times, axis) => (times === 1 ? [] : [axis]));
  if (!areFloat(x) || repeated.some((axis) => x!.shape[axis] !== 1)) return null;
  const shape = x!.shape.map((size, i) => size * reps[i]);
  const sizes = around(shape, repeated);
  if (sizes === null || sizes[1] === 0) return null;
  const y = heap.output(shape);
  heap.kernels.repeatMiddle(heap.address(x!), heap.address(y), ...sizes, 1);
  return y;
};
