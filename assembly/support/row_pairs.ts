/**
 * Depthwise convolution by eight channels (SIMD). Input rows are interleaved two by two as int16, padding put in, so that
 * one dot instruction does two taps of four channels; then four output pixels at a time go through all pairs of taps.
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  isQuick,
  keep,
  storeKept,
  storeOne,
  storeTwo,
} from "./channels";
import { DepthwiseS8Record } from "./records";

/** Eight channels of two rows, as int16. */
export const PAIR_BYTES: usize = 32;

/** Interleaved rows at a time: they stay in the first-level cache. */
const BAND_BYTES: i32 = 16384;

/** Eight bytes of zero point: what rows outside the picture are read from. */
const padding = memory.data(8);

/**
 * A record as the loops here see it: a kernel of one row is turned, so that its taps, too, lie one below the other.
 * Strides of the tensors are in bytes.
 */
// @ts-ignore: decorator
@unmanaged
class Shape {
  inputHeight: i32;
  inputWidth: i32;
  inputRow: i32;
  inputColumn: i32;
  outputHeight: i32;
  outputWidth: i32;
  outputRow: i32;
  outputColumn: i32;
  kernelWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
  zeroPoint: i32;
  /** Pairs of taps, one below the other. */
  pairs: i32;
  /** Input rows from an interleaved row, which holds two of them, to the next: no others are needed. */
  step: i32;
  /** Columns that the windows cover, padding included. */
  covered: i32;
}

const shape = changetype<Shape>(memory.data(offsetof<Shape>()));

// @ts-ignore: decorator
@inline
export function pairsOfTaps(r: DepthwiseS8Record): i32 {
  const isTurned = r.kernelHeight == 1;
  const height = isTurned ? <i32>r.kernelWidth : <i32>r.kernelHeight;
  return ((height + 1) >> 1) * (isTurned ? 1 : <i32>r.kernelWidth);
}

export function setShape(r: DepthwiseS8Record): void {
  const s = shape;
  const channels = <i32>r.inputChannels;
  const isTurned = r.kernelHeight == 1;
  s.inputHeight = isTurned ? r.inputWidth : r.inputHeight;
  s.inputWidth = isTurned ? r.inputHeight : r.inputWidth;
  s.outputHeight = isTurned ? r.outputWidth : r.outputHeight;
  s.outputWidth = isTurned ? r.outputHeight : r.outputWidth;
  s.kernelWidth = isTurned ? 1 : <i32>r.kernelWidth;
  s.strideHeight = isTurned ? r.strideWidth : r.strideHeight;
  s.strideWidth = isTurned ? r.strideHeight : r.strideWidth;
  s.dilationHeight = isTurned ? r.dilationWidth : r.dilationHeight;
  s.dilationWidth = isTurned ? r.dilationHeight : r.dilationWidth;
  s.padTop = isTurned ? r.padLeft : r.padTop;
  s.padLeft = isTurned ? r.padTop : r.padLeft;
  const inputRow = <i32>r.inputWidth * channels;
  const outputRow = <i32>r.outputWidth * channels;
  s.inputRow = isTurned ? channels : inputRow;
  s.inputColumn = isTurned ? inputRow : channels;
  s.outputRow = isTurned ? channels : outputRow;
  s.outputColumn = isTurned ? outputRow : channels;
  s.zeroPoint = r.inputZeroPoint;
  s.pairs = ((isTurned ? <i32>r.kernelWidth : <i32>r.kernelHeight) + 1) >> 1;
  s.step = s.pairs == 1 ? s.strideHeight : 2 - (s.strideHeight & 1);
  s.covered = (s.outputWidth - 1) * s.strideWidth + (s.kernelWidth - 1) * s.dilationWidth + 1;
}

/** Interleaved rows that so many output rows need. */
// @ts-ignore: decorator
@inline
function rowsFor(outputRows: i32): i32 {
  return ((outputRows - 1) * shape.strideHeight + 2 * (shape.pairs - 1) * shape.dilationHeight) / shape.step + 1;
}

/** Output rows at a time. */
function bandRows(): i32 {
  const room = BAND_BYTES / (shape.covered * <i32>PAIR_BYTES) - rowsFor(1);
  return min(shape.outputHeight, 1 + max(0, (room * shape.step) / shape.strideHeight));
}

// @ts-ignore: decorator
@inline
function tableBytes(): usize {
  return (<usize>(shape.pairs * shape.kernelWidth * 4) + 15) & ~15;
}

/** A table of where pairs of taps lie, then interleaved rows; `shape` is set. */
export function interleavedBytes(): usize {
  return tableBytes() + <usize>(rowsFor(bandRows()) * shape.covered) * PAIR_BYTES;
}

/** Writes what is the same for all channels: the table, and the zero point, which stays where columns are padding. */
export function prepareInterleaved(scratch: usize): void {
  const s = shape;
  memory.fill(padding, <u8>s.zeroPoint, 8);
  let entry = scratch;
  for (let x = 0; x < s.kernelWidth; x++) {
    for (let pair = 0; pair < s.pairs; pair++) {
      const row = (2 * pair * s.dilationHeight) / s.step;
      store<u32>(entry, <u32>((row * s.covered + x * s.dilationWidth) * <i32>PAIR_BYTES));
      entry += 4;
    }
  }
  if (s.padLeft == 0 && s.covered <= s.inputWidth) return;
  const wide = i16x8.splat(<i16>s.zeroPoint);
  const end = scratch + interleavedBytes();
  for (let at = scratch + tableBytes(); at < end; at += 16) v128.store(at, wide);
}

/** Eight channels of a picture: their weights and requantisation lie at `packed`; at most `count` of them are stored. */
export function multiplyPicture(input: usize, output: usize, packed: usize, scratch: usize, count: i32): void {
  const band = bandRows();
  const rows = scratch + tableBytes();
  for (let y = 0; y < shape.outputHeight; y += band) {
    const height = min(band, shape.outputHeight - y);
    interleaveRows(input, y * shape.strideHeight - shape.padTop, rowsFor(height), rows);
    multiplyTaps(rows, height, packed, scratch, output + y * shape.outputRow, count);
  }
}

/** `rows` interleaved rows, the first of which begins with input row `top`. */
function interleaveRows(input: usize, top: i32, rows: i32, target: usize): void {
  const column = <usize>shape.inputColumn;
  const before = min(shape.padLeft, shape.covered);
  const inside = max(0, min(shape.inputWidth, shape.covered - before));
  const rowBytes = <usize>shape.covered * PAIR_BYTES;
  target += <usize>before * PAIR_BYTES;
  for (; rows > 0; rows--) {
    const below = top + shape.dilationHeight;
    let from0 = padding, from1 = padding;
    let step0: usize = 0, step1: usize = 0;
    if (top >= 0 && top < shape.inputHeight) {
      from0 = input + top * shape.inputRow;
      step0 = column;
    }
    if (below >= 0 && below < shape.inputHeight) {
      from1 = input + below * shape.inputRow;
      step1 = column;
    }
    const end = target + <usize>inside * PAIR_BYTES;
    for (let to = target; to < end; to += PAIR_BYTES) {
      const a = v128.load_zero<i64>(from0);
      const b = v128.load_zero<i64>(from1);
      const both = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      v128.store(to, i16x8.extend_low_i8x16_s(both));
      v128.store(to, i16x8.extend_high_i8x16_s(both), 16);
      from0 += step0;
      from1 += step1;
    }
    target += rowBytes;
    top += shape.step;
  }
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, inputs: usize, weights: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(inputs), weights));
}

/** Output rows from interleaved ones: four pixels at a time; two or three that are left with the last repeated. */
function multiplyTaps(rows: usize, height: i32, packed: usize, table: usize, output: usize, count: i32): void {
  const s = shape;
  const width = s.outputWidth;
  const right = <usize>(s.strideWidth * <i32>PAIR_BYTES);
  const wrap = <usize>((s.strideHeight / s.step) * s.covered * <i32>PAIR_BYTES) - right * (width - 1);
  const outRight = <usize>s.outputColumn;
  const outWrap = <usize>s.outputRow - outRight * (width - 1);
  const end = table + (<usize>(s.pairs * s.kernelWidth) << 2);
  const quick = isQuick(packed, count);
  let p = rows;
  let out = output;
  let x = width;
  let left = height * width;
  while (left > 1) {
    const p0 = p, out0 = out;
    p += --x == 0 ? wrap : right;
    out += x == 0 ? outWrap : outRight;
    if (x == 0) x = width;
    const p1 = p, out1 = out;
    if (left > 2) {
      p += --x == 0 ? wrap : right;
      out += x == 0 ? outWrap : outRight;
      if (x == 0) x = width;
    }
    const p2 = p, out2 = out;
    if (left > 3) {
      p += --x == 0 ? wrap : right;
      out += x == 0 ? outWrap : outRight;
      if (x == 0) x = width;
    }
    const p3 = p, out3 = out;
    p += --x == 0 ? wrap : right;
    out += x == 0 ? outWrap : outRight;
    if (x == 0) x = width;
    left -= 4;

    let a0 = biasLow(packed), a1 = biasHigh(packed);
    let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
    let weights = packed + BLOCK_BYTES;
    for (let entry = table; entry < end; entry += 4) {
      const at = <usize>load<u32>(entry);
      const w0 = v128.load(weights), w1 = v128.load(weights, 16);
      a0 = dot(a0, p0 + at, w0);
      a1 = dot(a1, p0 + at + 16, w1);
      b0 = dot(b0, p1 + at, w0);
      b1 = dot(b1, p1 + at + 16, w1);
      c0 = dot(c0, p2 + at, w0);
      c1 = dot(c1, p2 + at + 16, w1);
      d0 = dot(d0, p3 + at, w0);
      d1 = dot(d1, p3 + at + 16, w1);
      weights += PAIR_BYTES;
    }
    if (quick) {
      storeTwo(a0, a1, b0, b1, packed, out0, out1);
      storeTwo(c0, c1, d0, d1, packed, out2, out3);
    } else {
      keep(0, a0, a1);
      keep(1, b0, b1);
      keep(2, c0, c1);
      keep(3, d0, d1);
      storeKept(packed, out0, out1, out2, out3, count);
    }
  }
  if (left == 1) {
    let a0 = biasLow(packed), a1 = biasHigh(packed);
    let weights = packed + BLOCK_BYTES;
    for (let entry = table; entry < end; entry += 4) {
      const at = p + <usize>load<u32>(entry);
      a0 = dot(a0, at, v128.load(weights));
      a1 = dot(a1, at + 16, v128.load(weights, 16));
      weights += PAIR_BYTES;
    }
    storeOne(a0, a1, packed, out, count);
  }
}
