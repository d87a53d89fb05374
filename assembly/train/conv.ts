/**
 * 2-D convolution as a matrix product: x [N, H, W, C], filter [KH, KW, C, O], y [N, OH, OW, O], float32.
 * Output pixels are taken in blocks; a block's windows are laid out as rows of a matrix [pixels, KH * KW * C].
 */
import { multiply, multiplyTransposed, pack, packedFloats, packTransposed } from "./gemm";
import { FLOAT, loadPart, storePart } from "./vector";
import { depthOf, outputPixels, Window } from "./window";

/** Pixels of a block: as many rows as `multiplyTransposed` sums at once. */
const BLOCK: i32 = 64;

/** Whether x already is the matrix of its windows. */
// @ts-ignore: decorator
@inline
function isPointwise(w: Window): bool {
  return (
    w.kernelHeight == 1 &&
    w.kernelWidth == 1 &&
    w.strideHeight == 1 &&
    w.strideWidth == 1 &&
    w.outputHeight == w.inputHeight &&
    w.outputWidth == w.inputWidth
  );
}

/** Scratch floats of the three kernels: one packed filter and one block of windows. */
export function convScratch(w: Window): i32 {
  const depth = depthOf(w);
  const packed = max(packedFloats(depth, w.outputChannels), packedFloats(w.outputChannels, depth));
  return packed + BLOCK * depth;
}

export function conv(w: Window, x: usize, filter: usize, y: usize, scratch: usize): void {
  const depth = depthOf(w);
  const pixels = outputPixels(w);
  const channels = w.outputChannels;
  pack(scratch, filter, depth, channels);
  if (isPointwise(w)) {
    multiply(x, scratch, y, pixels, depth, channels);
    return;
  }
  const windows = scratch + <usize>packedFloats(depth, channels) * FLOAT;
  for (let first = 0; first < pixels; first += BLOCK) {
    const count = min(BLOCK, pixels - first);
    moveWindows(w, x, windows, first, count, false);
    multiply(windows, scratch, y + <usize>first * channels * FLOAT, count, depth, channels);
  }
}

/** dx [N, H, W, C] from dy [N, OH, OW, O]. */
export function convInputGradient(w: Window, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const depth = depthOf(w);
  const pixels = outputPixels(w);
  const channels = w.outputChannels;
  packTransposed(scratch, filter, channels, depth);
  if (isPointwise(w)) {
    multiply(dy, scratch, dx, pixels, channels, depth);
    return;
  }
  memory.fill(dx, 0, <usize>(w.batch * w.inputHeight * w.inputWidth * w.channels) * FLOAT);
  const windows = scratch + <usize>packedFloats(channels, depth) * FLOAT;
  for (let first = 0; first < pixels; first += BLOCK) {
    const count = min(BLOCK, pixels - first);
    multiply(dy + <usize>first * channels * FLOAT, scratch, windows, count, channels, depth);
    moveWindows(w, dx, windows, first, count, true);
  }
}

/** df [KH, KW, C, O] from x and dy. */
export function convFilterGradient(w: Window, x: usize, dy: usize, df: usize, scratch: usize): void {
  const depth = depthOf(w);
  const pixels = outputPixels(w);
  const channels = w.outputChannels;
  memory.fill(df, 0, <usize>(depth * channels) * FLOAT);
  if (isPointwise(w)) {
    multiplyTransposed(x, dy, df, pixels, depth, channels);
    return;
  }
  for (let first = 0; first < pixels; first += BLOCK) {
    const count = min(BLOCK, pixels - first);
    moveWindows(w, x, scratch, first, count, false);
    multiplyTransposed(scratch, dy + <usize>first * channels * FLOAT, df, count, depth, channels);
  }
}

/** Lays out the windows of `count` output pixels from `first` on; with `add`, adds them back to x instead. */
function moveWindows(w: Window, x: usize, windows: usize, first: i32, count: i32, add: bool): void {
  const pixel = w.channels;
  const perImage = w.outputHeight * w.outputWidth;
  const run = w.kernelWidth * pixel;
  const inputRow = w.inputWidth * pixel;
  let image = first / perImage;
  let oy = (first % perImage) / w.outputWidth;
  let ox = first % w.outputWidth;
  for (; count > 0; count--) {
    const left = ox * w.strideWidth - w.padLeft;
    // The part of a row of the window that lies in the picture, in floats of the window.
    const start = min(max(-left, 0) * pixel, run);
    const length = max(min(w.inputWidth - left, w.kernelWidth) * pixel - start, 0);
    const rest = run - start - length;
    const skip = <usize>start * FLOAT;
    let y = oy * w.strideHeight - w.padTop;
    // In floats from x: rows above the picture are not touched.
    let row = (image * w.inputHeight + y) * inputRow;
    for (let ky = 0; ky < w.kernelHeight; ky++) {
      if (<u32>y >= <u32>w.inputHeight) {
        if (!add) clear(windows, run);
      } else if (w.dilationWidth > 1) {
        moveTaps(w, x + <usize>row * FLOAT, windows, left, add);
      } else if (add) {
        addRun(x + <usize>(row + left * pixel) * FLOAT + skip, windows + skip, length);
      } else {
        if (start > 0) clear(windows, start);
        copyRun(windows + skip, x + <usize>(row + left * pixel) * FLOAT + skip, length);
        if (rest > 0) clear(windows + <usize>(start + length) * FLOAT, rest);
      }
      windows += <usize>run * FLOAT;
      y += w.dilationHeight;
      row += w.dilationHeight * inputRow;
    }
    if (++ox == w.outputWidth) {
      ox = 0;
      if (++oy == w.outputHeight) {
        oy = 0;
        image++;
      }
    }
  }
}

/** One row of a dilated window. */
function moveTaps(w: Window, row: usize, window: usize, left: i32, add: bool): void {
  for (let kx = 0; kx < w.kernelWidth; kx++) {
    const x = left + kx * w.dilationWidth;
    const pixel = row + <usize>(x * w.channels) * FLOAT;
    if (x < 0 || x >= w.inputWidth) {
      if (!add) clear(window, w.channels);
    } else if (add) {
      addRun(pixel, window, w.channels);
    } else {
      copyRun(window, pixel, w.channels);
    }
    window += <usize>w.channels * FLOAT;
  }
}

// @ts-ignore: decorator
@inline
function copyRun(to: usize, from: usize, count: i32): void {
  for (; count >= 16; count -= 16) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
    from += 64;
    to += 64;
  }
  for (; count >= 4; count -= 4) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16;
  }
  if (count > 0) storePart(to, loadPart(from, count), count);
}

// @ts-ignore: decorator
@inline
function addRun(to: usize, from: usize, count: i32): void {
  for (; count >= 4; count -= 4) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    from += 16;
    to += 16;
  }
  if (count > 0) storePart(to, f32x4.add(loadPart(to, count), loadPart(from, count)), count);
}

// @ts-ignore: decorator
@inline
function clear(to: usize, count: i32): void {
  for (; count >= 4; count -= 4) {
    v128.store(to, f32x4.splat(0));
    to += 16;
  }
  if (count > 0) storePart(to, f32x4.splat(0), count);
}
