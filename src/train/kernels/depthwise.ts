/** DepthwiseConv2dNative and its gradients: assembly/train/depthwise.ts for 3x3, else depthwise_general.ts. */
import { areFloat, type Kernel } from "./kernel.ts";
import { convWindow } from "./window.ts";

export const depthwise: Kernel = (heap, { x, filter }, attributes) => {
  const info = convWindow(x!.shape, filter!.shape, attributes, true);
  if (info === null || !areFloat(x, filter)) return null;
  const y = heap.output(info.outShape);
  const window = heap.window(info);
  const { kernels } = heap;
  const [from, weights, to] = [heap.address(x!), heap.address(filter!), heap.address(y)];
  if (kernels.isDepthwise3x3(window)) {
    const scratch = heap.scratch(kernels.depthwise3x3Scratch(window));
    kernels.depthwise3x3(window, from, weights, to, scratch);
  } else {
    kernels.depthwise(window, from, weights, to);
  }
  return y;
};

export const depthwiseBackpropInput: Kernel = (heap, { dy, filter }, attributes) => {
  const info = convWindow(attributes.inputShape, filter!.shape, attributes, true);
  if (info === null || !areFloat(dy, filter)) return null;
  const dx = heap.output(info.inShape);
  const window = heap.window(info);
  const { kernels } = heap;
  const [from, weights, to] = [heap.address(dy!), heap.address(filter!), heap.address(dx)];
  if (kernels.isDepthwise3x3(window)) {
    const scratch = heap.scratch(kernels.depthwise3x3Scratch(window));
    kernels.depthwise3x3InputGradient(window, from, weights, to, scratch);
  } else {
    kernels.depthwiseInputGradient(window, from, weights, to);
  }
  return dx;
};

export const depthwiseBackpropFilter: Kernel = (heap, { x, dy }, attributes) => {
  const info = convWindow(x!.shape, attributes.filterShape, attributes, true);
  if (info === null || !areFloat(x, dy)) return null;
  const df = heap.output(info.filterShape);
  const window = heap.window(info);
  const { kernels } = heap;
  const [from, gradient, to] = [heap.address(x!), heap.address(dy!), heap.address(df)];
  if (kernels.isDepthwise3x3(window)) {
    const scratch = heap.scratch(kernels.depthwise3x3Scratch(window));
    kernels.depthwise3x3FilterGradient(window, from, gradient, to, scratch);
  } else {
    const scratch = heap.scratch(kernels.depthwiseScratch(window));
    kernels.depthwiseFilterGradient(window, from, gradient, to, scratch);
  }
  return df;
};
