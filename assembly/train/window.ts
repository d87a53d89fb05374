/** Geometry of a convolution or pool, all NHWC. TypeScript fills it in: src/train/kernels/window.ts. */

@unmanaged
export class Window {
  batch: i32;
  inputHeight: i32;
  inputWidth: i32;
  channels: i32;
  kernelHeight: i32;
  kernelWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
  outputHeight: i32;
  outputWidth: i32;
  /** Depthwise: channels times the multiplier. */
  outputChannels: i32;
}

/** Values of x that one output pixel of a convolution sees. */
// @ts-ignore: decorator
@inline
export function depthOf(w: Window): i32 {
  return w.kernelHeight * w.kernelWidth * w.channels;
}

// @ts-ignore: decorator
@inline
export function outputPixels(w: Window): i32 {
  return w.batch * w.outputHeight * w.outputWidth;
}
