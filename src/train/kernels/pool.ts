/** Average pool and its gradient: assembly/train/pool.ts. */
import { areFloat, type Kernel } from "./kernel.ts";
import { poolWindow } from "./window.ts";

export const averagePool: Kernel = (heap, { x }, attributes) => {
  if (!areFloat(x)) return null;
  const info = poolWindow(x!.shape, attributes);
  const y = heap.output(info.outShape);
  heap.kernels.averagePool(heap.window(info), heap.address(x!), heap.address(y));
  return y;
};

export const averagePoolGradient: Kernel = (heap, { dy, input }, attributes) => {
  if (!areFloat(dy, input)) return null;
  const info = poolWindow(input!.shape, attributes);
  const dx = heap.output(info.inShape);
  heap.kernels.averagePoolGradient(heap.window(info), heap.address(dy!), heap.address(dx));
  return dx;
};
