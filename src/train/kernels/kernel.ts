import * as tf from "@tensorflow/tfjs-core";
import { elementCount } from "../../graph/shape.ts";
import type { Heap } from "./heap.ts";

/** Attributes differ from kernel to kernel; the operators of TensorFlow.js have checked them. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Attributes = Record<string, any>;

/** One TensorFlow.js kernel. @returns null, before it has made anything, for what it does not do */
export type Kernel = (
  heap: Heap,
  inputs: Readonly<Record<string, tf.TensorInfo>>,
  attributes: Attributes,
) => tf.TensorInfo | tf.TensorInfo[] | null;

/** Whether all are float32 and none is empty. */
export function areFloat(...tensors: (tf.TensorInfo | undefined)[]): boolean {
  return tensors.every((tensor) => tensor?.dtype === "float32" && elementCount(tensor.shape) > 0);
}

/** Whether the backend that is active has a kernel. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}
