/** Conv2D and its gradients, any kernel, stride, padding and dilation: assembly/train/conv.ts. */
import { areFloat, type Kernel } from "./kernel.ts";
import { convWindow } from "./window.ts";

export const conv2d: Kernel = (heap, { x, filter }, attributes) => {
  const info = convWindow(x!.shape, filter!.shape, attributes, false);
  if (info === null || !areFloat(x, filter)) return null;
  const window = heap.window(info);
  const { kernels } = heap;
  const scratch = heap.scratch(kernels.convScratch(window));
  const y = heap.output(info.outShape);
  kernels.conv(window, heap.address(x!), heap.address(filter!), heap.address(y), scratch);
  return y;
};

export const conv2dBackpropInput: Kernel = (heap, { dy, filter }, attributes) => {
  const info = convWindow(attributes.inputShape, filter!.shape, attributes, false);
  if (info === null || !areFloat(dy, filter)) return null;
  const window = heap.window(info);
  const { kernels } = heap;
  const scratch = heap.scratch(kernels.convScratch(window));
  const dx = heap.output(info.inShape);
  kernels.convInputGradient(window, heap.address(dy!), heap.address(filter!), heap.address(dx), scratch);
  return dx;
};

export const conv2dBackpropFilter: Kernel = (heap, { x, dy }, attributes) => {
  const info = convWindow(x!.shape, attributes.filterShape, attributes, false);
  if (info === null || !areFloat(x, dy)) return null;
  const window = heap.window(info);
  const { kernels } = heap;
  const scratch = heap.scratch(kernels.convScratch(window));
  const df = heap.output(info.filterShape);
  kernels.convFilterGradient(window, heap.address(x!), heap.address(dy!), heap.address(df), scratch);
  return df;
};
