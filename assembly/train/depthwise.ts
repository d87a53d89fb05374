/**
 * Depthwise 3x3 convolution, channel multiplier 1, no dilation, and its gradients; depthwise_general.ts has the
 * rest. Four channels of a picture are copied to a plane [height, width, 4] with zeros around, so that no pixel is
 * at an edge and all nine taps are three rows of twelve floats. A group of planes is made at once: reading whole
 * cache lines is what costs.
 */
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";
import { Window } from "./window";

const PIXEL: usize = 16;
/** Channels of a group. */
const GROUP: i32 = 16;

// @ts-ignore: decorator
@inline
function planeHeight(w: Window): i32 {
  return max(w.padTop + w.inputHeight, (w.outputHeight - 1) * w.strideHeight + 3);
}

// @ts-ignore: decorator
@inline
function planeWidth(w: Window): i32 {
  return max(w.padLeft + w.inputWidth, (w.outputWidth - 1) * w.strideWidth + 3);
}

/** Whether the three kernels here do it; a gradient's padding is 2 less the padding, so it may not be more. */
export function isDepthwise3x3(w: Window): bool {
  return (
    w.kernelHeight == 3 &&
    w.kernelWidth == 3 &&
    w.dilationHeight == 1 &&
    w.dilationWidth == 1 &&
    w.outputChannels == w.channels &&
    w.padTop <= 2 &&
    w.padLeft <= 2
  );
}

/** Scratch floats of the three kernels. */
export function depthwise3x3Scratch(w: Window): i32 {
  const forward = planeHeight(w) * planeWidth(w);
  const backward = gradientPlaneHeight(w) * gradientPlaneWidth(w);
  return GROUP * max(forward, backward);
}

/** x [N, H, W, C], filter [3, 3, C, 1], y [N, OH, OW, C]. */
export function depthwise3x3(w: Window, x: usize, filter: usize, y: usize, plane: usize): void {
  const height = planeHeight(w), width = planeWidth(w);
  const image = <usize>(w.inputHeight * w.inputWidth * w.channels) * FLOAT;
  const result = <usize>(w.outputHeight * w.outputWidth * w.channels) * FLOAT;
  const planeBytes = <usize>(height * width) * PIXEL;
  memory.fill(plane, 0, planeBytes * (GROUP / 4));
  const corner = plane + <usize>(w.padTop * width + w.padLeft) * PIXEL;
  for (let n = 0; n < w.batch; n++) {
    for (let group = 0; group < w.channels; group += GROUP) {
      const from = x + <usize>n * image + <usize>group * FLOAT;
      spread(from, w.inputHeight, w.inputWidth, w.channels, group, corner, planeBytes, width, 1, 1);
      for (let c = group; c < min(group + GROUP, w.channels); c += 4) {
        const at = <usize>c * FLOAT;
        convolve(
          plane + <usize>((c - group) / 4) * planeBytes,
          width,
          w.strideHeight,
          w.strideWidth,
          filter + at,
          w.channels,
          c,
          false,
          y + <usize>n * result + at,
          w.outputHeight,
          w.outputWidth,
        );
      }
    }
  }
}

/** The output gradient, strides undone by zeros between its pixels, with zeros around: dx is its convolution. */
// @ts-ignore: decorator
@inline
function gradientPlaneHeight(w: Window): i32 {
  return max(w.inputHeight + 2, 3 - w.padTop + (w.outputHeight - 1) * w.strideHeight);
}

// @ts-ignore: decorator
@inline
function gradientPlaneWidth(w: Window): i32 {
  return max(w.inputWidth + 2, 3 - w.padLeft + (w.outputWidth - 1) * w.strideWidth);
}

export function depthwise3x3InputGradient(
  w: Window,
  dy: usize,
  filter: usize,
  dx: usize,
  plane: usize,
): void {
  const height = gradientPlaneHeight(w), width = gradientPlaneWidth(w);
  const image = <usize>(w.outputHeight * w.outputWidth * w.channels) * FLOAT;
  const result = <usize>(w.inputHeight * w.inputWidth * w.channels) * FLOAT;
  const planeBytes = <usize>(height * width) * PIXEL;
  memory.fill(plane, 0, planeBytes * (GROUP / 4));
  const corner = plane + <usize>((2 - w.padTop) * width + 2 - w.padLeft) * PIXEL;
  for (let n = 0; n < w.batch; n++) {
    for (let group = 0; group < w.channels; group += GROUP) {
      spread(
        dy + <usize>n * image + <usize>group * FLOAT,
        w.outputHeight,
        w.outputWidth,
        w.channels,
        group,
        corner,
        planeBytes,
        width,
        w.strideHeight,
        w.strideWidth,
      );
      for (let c = group; c < min(group + GROUP, w.channels); c += 4) {
        const at = <usize>c * FLOAT;
        convolve(
          plane + <usize>((c - group) / 4) * planeBytes,
          width,
          1,
          1,
          filter + at,
          w.channels,
          c,
          true,
          dx + <usize>n * result + at,
          w.inputHeight,
          w.inputWidth,
        );
      }
    }
  }
}

/** df [3, 3, C, 1] from x and dy. */
export function depthwise3x3FilterGradient(w: Window, x: usize, dy: usize, df: usize, plane: usize): void {
  const height = planeHeight(w), width = planeWidth(w);
  const image = <usize>(w.inputHeight * w.inputWidth * w.channels) * FLOAT;
  const result = <usize>(w.outputHeight * w.outputWidth * w.channels) * FLOAT;
  memory.fill(df, 0, <usize>(9 * w.channels) * FLOAT);
  const planeBytes = <usize>(height * width) * PIXEL;
  memory.fill(plane, 0, planeBytes * (GROUP / 4));
  const corner = plane + <usize>(w.padTop * width + w.padLeft) * PIXEL;
  for (let n = 0; n < w.batch; n++) {
    for (let group = 0; group < w.channels; group += GROUP) {
      const from = x + <usize>n * image + <usize>group * FLOAT;
      spread(from, w.inputHeight, w.inputWidth, w.channels, group, corner, planeBytes, width, 1, 1);
      for (let c = group; c < min(group + GROUP, w.channels); c += 4) {
        const at = <usize>c * FLOAT;
        const channels = plane + <usize>((c - group) / 4) * planeBytes;
        correlate(w, channels, width, dy + <usize>n * result + at, c, df + at);
      }
    }
  }
}

/** Copies a group of channels of a picture to its planes, pixels `stepY` and `stepX` apart there. */
function spread(
  from: usize,
  height: i32,
  width: i32,
  channels: i32,
  group: i32,
  to: usize,
  planeBytes: usize,
  planeWidth: i32,
  stepY: i32,
  stepX: i32,
): void {
  const row = <usize>(planeWidth * stepY) * PIXEL;
  const step = <usize>stepX * PIXEL;
  const next = <usize>channels * FLOAT;
  const count = channels - group;
  for (let y = 0; y < height; y++) {
    let at = to;
    if (count >= GROUP) {
      for (let x = 0; x < width; x++) {
        v128.store(at, v128.load(from));
        v128.store(at + planeBytes, v128.load(from, 16));
        v128.store(at + 2 * planeBytes, v128.load(from, 32));
        v128.store(at + 3 * planeBytes, v128.load(from, 48));
        from += next;
        at += step;
      }
    } else {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < count; c += 4) {
          v128.store(at + <usize>(c / 4) * planeBytes, loadPart(from + <usize>c * FLOAT, count - c));
        }
        from += next;
        at += step;
      }
    }
    to += row;
  }
}

/** Nine taps of a plane, weighted; with `flip`, the filter is turned by half a turn. */
function convolve(
  plane: usize,
  width: i32,
  strideHeight: i32,
  strideWidth: i32,
  filter: usize,
  channels: i32,
  channel: i32,
  flip: bool,
  output: usize,
  outputHeight: i32,
  outputWidth: i32,
): void {
  const tap = <usize>channels * FLOAT;
  const count = channels - channel;
  const first = flip ? filter + 8 * tap : filter;
  const step = flip ? <usize>0 - tap : tap;
  const w0 = loadPart(first, count), w1 = loadPart(first + step, count), w2 = loadPart(first + 2 * step, count);
  const w3 = loadPart(first + 3 * step, count), w4 = loadPart(first + 4 * step, count);
  const w5 = loadPart(first + 5 * step, count), w6 = loadPart(first + 6 * step, count);
  const w7 = loadPart(first + 7 * step, count), w8 = loadPart(first + 8 * step, count);
  const row = <usize>width * PIXEL;
  const down = row * strideHeight;
  const across = PIXEL * strideWidth;
  for (let y = 0; y < outputHeight; y++) {
    let r0 = plane, r1 = plane + row, r2 = r1 + row;
    for (let x = 0; x < outputWidth; x++) {
      let a = f32x4.mul(v128.load(r0), w0);
      let b = f32x4.mul(v128.load(r1), w3);
      let c = f32x4.mul(v128.load(r2), w6);
      a = multiplyAdd(a, v128.load(r0, 16), w1);
      b = multiplyAdd(b, v128.load(r1, 16), w4);
      c = multiplyAdd(c, v128.load(r2, 16), w7);
      a = multiplyAdd(a, v128.load(r0, 32), w2);
      b = multiplyAdd(b, v128.load(r1, 32), w5);
      c = multiplyAdd(c, v128.load(r2, 32), w8);
      storePart(output, f32x4.add(f32x4.add(a, b), c), count);
      output += tap;
      r0 += across;
      r1 += across;
      r2 += across;
    }
    plane += down;
  }
}

/** df += taps of the plane times dy, summed over one picture. */
function correlate(w: Window, plane: usize, width: i32, dy: usize, channel: i32, df: usize): void {
  const tap = <usize>w.channels * FLOAT;
  const count = w.channels - channel;
  const row = <usize>width * PIXEL;
  const down = row * w.strideHeight;
  const across = PIXEL * w.strideWidth;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0;
  for (let y = 0; y < w.outputHeight; y++) {
    let r0 = plane, r1 = plane + row, r2 = r1 + row;
    for (let x = 0; x < w.outputWidth; x++) {
      const d = loadPart(dy, count);
      s0 = multiplyAdd(s0, v128.load(r0), d);
      s1 = multiplyAdd(s1, v128.load(r0, 16), d);
      s2 = multiplyAdd(s2, v128.load(r0, 32), d);
      s3 = multiplyAdd(s3, v128.load(r1), d);
      s4 = multiplyAdd(s4, v128.load(r1, 16), d);
      s5 = multiplyAdd(s5, v128.load(r1, 32), d);
      s6 = multiplyAdd(s6, v128.load(r2), d);
      s7 = multiplyAdd(s7, v128.load(r2, 16), d);
      s8 = multiplyAdd(s8, v128.load(r2, 32), d);
      dy += tap;
      r0 += across;
      r1 += across;
      r2 += across;
    }
    plane += down;
  }
  addTap(df, s0, count);
  addTap(df + tap, s1, count);
  addTap(df + 2 * tap, s2, count);
  addTap(df + 3 * tap, s3, count);
  addTap(df + 4 * tap, s4, count);
  addTap(df + 5 * tap, s5, count);
  addTap(df + 6 * tap, s6, count);
  addTap(df + 7 * tap, s7, count);
  addTap(df + 8 * tap, s8, count);
}

// @ts-ignore: decorator
@inline
function addTap(df: usize, sum: v128, count: i32): void {
  storePart(df, f32x4.add(loadPart(df, count), sum), count);
}
