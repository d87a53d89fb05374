/** Geometry of convolutions and pools from TensorFlow.js attributes, checked. */
import { backend_util } from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../../errors.ts";
import type { Attributes } from "./kernel.ts";

type Shape4D = [number, number, number, number];
type Window = backend_util.Conv2DInfo;

/** @returns null for a layout that is not NHWC. @throws ThumbnetError where the kernel is larger than its input */
export function convWindow(
  inputShape: number[],
  filterShape: number[],
  attributes: Attributes,
  isDepthwise: boolean,
): Window | null {
  const { strides, dilations, pad, dataFormat = "NHWC", dimRoundingMode } = attributes;
  if (dataFormat !== "NHWC") return null;
  const shapes = [inputShape as Shape4D, filterShape as Shape4D] as const;
  const window = backend_util.computeConv2DInfo(
    ...shapes,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    isDepthwise,
  );
  return checked(window, isDepthwise ? "depthwise convolution" : "convolution");
}

/** @throws ThumbnetError where the pool is larger than its input */
export function poolWindow(
  shape: number[],
  { filterSize, strides, pad, dimRoundingMode }: Attributes,
): Window {
  const info = backend_util.computePool2DInfo(shape as Shape4D, filterSize, strides, 1, pad, dimRoundingMode);
  return checked(info, "average pool");
}

function checked(window: Window, operator: string): Window {
  if (window.outHeight > 0 && window.outWidth > 0) return window;
  throw new ThumbnetError(
    `${operator}: the kernel ${window.filterHeight}x${window.filterWidth} does not fit ` +
      `the input ${window.inHeight}x${window.inWidth}`,
  );
}
