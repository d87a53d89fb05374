/**
 * Depthwise convolution of any kernel, stride, dilation and channel multiplier M, and its gradients: for every
 * pixel and tap, one row of products is added. x [N, H, W, C], filter [KH, KW, C, M], y [N, OH, OW, C * M].
 */
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";
import { Window } from "./window";

/** What is computed; the other two of x, filter and y are given. */
const Y: i32 = 0;
const X: i32 = 1;
const FILTER: i32 = 2;

export function depthwise(w: Window, x: usize, filter: usize, y: usize): void {
  memory.fill(y, 0, <usize>(w.batch * w.outputHeight * w.outputWidth * w.outputChannels) * FLOAT);
  for (let n = 0; n < w.batch; n++) picture(w, Y, n, x, filter, y);
}

export function depthwiseInputGradient(w: Window, dy: usize, filter: usize, dx: usize): void {
  memory.fill(dx, 0, <usize>(w.batch * w.inputHeight * w.inputWidth * w.channels) * FLOAT);
  for (let n = 0; n < w.batch; n++) picture(w, X, n, dx, filter, dy);
}

/** Scratch floats of `depthwiseFilterGradient`. */
export function depthwiseScratch(w: Window): i32 {
  return w.kernelHeight * w.kernelWidth * w.outputChannels;
}

/** Each picture is summed on its own before it is added: smaller rounding errors. */
export function depthwiseFilterGradient(w: Window, x: usize, dy: usize, df: usize, scratch: usize): void {
  const count = depthwiseScratch(w);
  memory.fill(df, 0, <usize>count * FLOAT);
  for (let n = 0; n < w.batch; n++) {
    memory.fill(scratch, 0, <usize>count * FLOAT);
    picture(w, FILTER, n, x, scratch, dy);
    for (let i = 0; i < count; i += 4) {
      const at = <usize>i * FLOAT;
      const sum = f32x4.add(loadPart(df + at, count - i), loadPart(scratch + at, count - i));
      storePart(df + at, sum, count - i);
    }
  }
}

function picture(w: Window, result: i32, n: i32, x: usize, filter: usize, y: usize): void {
  const xPixel = <usize>w.channels * FLOAT;
  const yPixel = <usize>w.outputChannels * FLOAT;
  x += <usize>(n * w.inputHeight * w.inputWidth) * xPixel;
  y += <usize>(n * w.outputHeight * w.outputWidth) * yPixel;
  for (let oy = 0; oy < w.outputHeight; oy++) {
    for (let ox = 0; ox < w.outputWidth; ox++) {
      for (let ky = 0; ky < w.kernelHeight; ky++) {
        const iy = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
        if (iy < 0 || iy >= w.inputHeight) continue;
        for (let kx = 0; kx < w.kernelWidth; kx++) {
          const ix = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
          if (ix < 0 || ix >= w.inputWidth) continue;
          const pixel = x + <usize>(iy * w.inputWidth + ix) * xPixel;
          const tap = filter + <usize>(ky * w.kernelWidth + kx) * yPixel;
          if (w.channels != w.outputChannels) addMultiplied(w, result, pixel, tap, y);
          else if (result == Y) addProducts(y, pixel, tap, w.channels);
          else if (result == X) addProducts(pixel, y, tap, w.channels);
          else addProducts(tap, pixel, y, w.channels);
        }
      }
      y += yPixel;
    }
  }
}

/** sum += a * b over `count` channels. */
// @ts-ignore: decorator
@inline
function addProducts(sum: usize, a: usize, b: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    const rest = count - i;
    storePart(sum, multiplyAdd(loadPart(sum, rest), loadPart(a, rest), loadPart(b, rest)), rest);
    sum += 16;
    a += 16;
    b += 16;
  }
}

/** The same where each channel has several outputs. */
function addMultiplied(w: Window, result: i32, x: usize, tap: usize, y: usize): void {
  const multiplier = w.outputChannels / w.channels;
  for (let c = 0; c < w.channels; c++) {
    for (let m = 0; m < multiplier; m++) {
      if (result == Y) store<f32>(y, load<f32>(y) + load<f32>(x) * load<f32>(tap));
      else if (result == X) store<f32>(x, load<f32>(x) + load<f32>(y) * load<f32>(tap));
      else store<f32>(tap, load<f32>(tap) + load<f32>(x) * load<f32>(y));
      y += FLOAT;
      tap += FLOAT;
    }
    x += FLOAT;
  }
}
