/**
 * Depthwise convolution by eight channels (SIMD). Input rows are interleaved two by two as int16, padding put in, so that
 * one dot instruction does two taps of four channels; then four output pixels at a time go through all pairs of taps.
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  CHANNELS,
  isFloat,
  isQuick,
  storeFour,
  storeOne,
  storeQuarters,
} from "./channels";
import { addDot } from "./dot";
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
  /** Bytes from an output row's first interleaved row to the next one's, and from one pair of taps to the next below. */
  down: i32;
  pairDown: i32;
  /** Output rows at a time, and the interleaved rows that they need. */
  band: i32;
  bandRows: i32;
  /** Whether there is one column, and it is not padding. */
  isColumn: bool;
}

const shape = changetype<Shape>(memory.data(offsetof<Shape>()));

/** Pixels that `rowsByOne` and `rowsByTwo` do at a time. */
const BY_ONE: i32 = 4;
const BY_TWO: i32 = 3;

/**
 * Whether rows and columns change places: where the kernel has one row, and where a square one would leave more than a
 * quarter of its steps along a row empty. The height plays no part, as slices of an operator share their weights.
 */
function isTurned(r: DepthwiseS8Record): bool {
  if (r.kernelHeight == 1) return true;
  if (r.kernelHeight != 3 || r.kernelWidth != 3 || r.strideHeight != r.strideWidth) return false;
  if (r.dilationHeight != 1 || r.dilationWidth != 1) return false;
  const width = <i32>r.outputWidth;
  const pixels = r.strideWidth == 2 ? BY_TWO : BY_ONE;
  const steps = (width + pixels - 1) / pixels;
  return 4 * width < 3 * pixels * steps;
}

/** Pairs of taps of a channel. */
export function pairsOfTaps(r: DepthwiseS8Record): i32 {
  return isTurned(r) ? ((<i32>r.kernelWidth + 1) >> 1) * r.kernelHeight : ((<i32>r.kernelHeight + 1) >> 1) * r.kernelWidth;
}

/** The pair that a tap is in, row by row, times two, plus its place there. */
export function placeOfTap(r: DepthwiseS8Record, y: i32, x: i32): i32 {
  return isTurned(r)
    ? (((x >> 1) * <i32>r.kernelHeight + y) << 1) + (x & 1)
    : (((y >> 1) * <i32>r.kernelWidth + x) << 1) + (y & 1);
}

export function setShape(r: DepthwiseS8Record): void {
  const s = shape;
  const channels = <i32>r.inputChannels;
  const inputRow = <i32>r.inputWidth * channels;
  const outputRow = <i32>r.outputWidth * channels;
  let kernelHeight = <i32>r.kernelHeight;
  s.zeroPoint = r.inputZeroPoint;
  if (isTurned(r)) {
    kernelHeight = r.kernelWidth;
    s.kernelWidth = r.kernelHeight;
    s.inputHeight = r.inputWidth;
    s.inputWidth = r.inputHeight;
    s.outputHeight = r.outputWidth;
    s.outputWidth = r.outputHeight;
    s.strideHeight = r.strideWidth;
    s.strideWidth = r.strideHeight;
    s.dilationHeight = r.dilationWidth;
    s.dilationWidth = r.dilationHeight;
    s.padTop = r.padLeft;
    s.padLeft = r.padTop;
    s.inputRow = channels;
    s.inputColumn = inputRow;
    s.outputRow = channels;
    s.outputColumn = outputRow;
  } else {
    s.kernelWidth = r.kernelWidth;
    s.inputHeight = r.inputHeight;
    s.inputWidth = r.inputWidth;
    s.outputHeight = r.outputHeight;
    s.outputWidth = r.outputWidth;
    s.strideHeight = r.strideHeight;
    s.strideWidth = r.strideWidth;
    s.dilationHeight = r.dilationHeight;
    s.dilationWidth = r.dilationWidth;
    s.padTop = r.padTop;
    s.padLeft = r.padLeft;
    s.inputRow = inputRow;
    s.inputColumn = channels;
    s.outputRow = outputRow;
    s.outputColumn = channels;
  }
  s.pairs = (kernelHeight + 1) >> 1;
  s.step = s.pairs == 1 ? s.strideHeight : s.outputHeight == 1 ? 2 : 2 - (s.strideHeight & 1);
  s.covered = (s.outputWidth - 1) * s.strideWidth + (s.kernelWidth - 1) * s.dilationWidth + 1;
  s.isColumn = s.covered == 1 && s.padLeft == 0;
  const row = s.covered * <i32>PAIR_BYTES;
  s.down = (s.strideHeight / s.step) * row;
  s.pairDown = ((2 * s.dilationHeight) / s.step) * row;
  const room = BAND_BYTES / row - rowsFor(1);
  s.band = min(s.outputHeight, 1 + max(0, (room * s.step) / s.strideHeight));
  s.bandRows = rowsFor(s.band);
}

/** Interleaved rows that so many output rows need. */
// @ts-ignore: decorator
@inline
function rowsFor(outputRows: i32): i32 {
  return ((outputRows - 1) * shape.strideHeight + 2 * (shape.pairs - 1) * shape.dilationHeight) / shape.step + 1;
}

// @ts-ignore: decorator
@inline
function tableBytes(): usize {
  return (<usize>(shape.pairs * shape.kernelWidth * 4) + 15) & ~15;
}

/** A table of where pairs of taps lie, then interleaved rows; `shape` is set. */
export function interleavedBytes(): usize {
  return tableBytes() + <usize>(shape.bandRows * shape.covered) * PAIR_BYTES;
}

/** Writes what is the same for all channels: the table, and the zero point, which stays where columns are padding. */
export function prepareInterleaved(scratch: usize): void {
  const s = shape;
  memory.fill(padding, <u8>s.zeroPoint, 8);
  let entry = scratch;
  for (let pair = 0; pair < s.pairs; pair++) {
    for (let x = 0; x < s.kernelWidth; x++) {
      store<u32>(entry, <u32>(pair * s.pairDown + x * s.dilationWidth * <i32>PAIR_BYTES));
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
  const band = shape.band;
  const rows = scratch + tableBytes();
  for (let y = 0; y < shape.outputHeight; y += band) {
    const height = min(band, shape.outputHeight - y);
    const top = y * shape.strideHeight - shape.padTop;
    const needed = height == band ? shape.bandRows : rowsFor(height);
    if (shape.isColumn) interleaveColumn(input, top, needed, rows);
    else interleaveRows(input, top, needed, rows);
    const out = output + y * shape.outputRow;
    const isWhole = isFloat(packed) && (count == 4 || count >= CHANNELS);
    if (!isWhole || shape.kernelWidth != 3 || shape.dilationWidth != 1) {
      multiplyTaps(rows, height, packed, scratch, out, count);
    } else if (shape.strideWidth == 1 && shape.outputWidth >= BY_ONE) {
      rowsByOne(rows, height, packed, out);
      if (count > 4) rowsByOne(rows + 16, height, packed + 16, out + 4);
    } else if (shape.strideWidth == 2 && shape.outputWidth >= BY_TWO) {
      rowsByTwo(rows, height, packed, out);
      if (count > 4) rowsByTwo(rows + 16, height, packed + 16, out + 4);
    } else {
      multiplyTaps(rows, height, packed, scratch, out, count);
    }
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
    interleave(from0, from1, step0, step1, target, target + <usize>inside * PAIR_BYTES);
    target += rowBytes;
    top += shape.step;
  }
}

/** The same for a picture of one column, whose rows that are inside are done as if they were a row's columns. */
function interleaveColumn(input: usize, top: i32, rows: i32, target: usize): void {
  const down = shape.step;
  if (top < 0) {
    const outside = min(rows, (down - 1 - top) / down);
    interleaveRows(input, top, outside, target);
    rows -= outside;
    top += outside * down;
    target += <usize>outside * PAIR_BYTES;
  }
  const reach = max(0, shape.inputHeight - shape.dilationHeight - top);
  const inside = min(rows, down == 1 ? reach : (reach + down - 1) / down);
  const step = <usize>(down * shape.inputRow);
  const from = input + top * shape.inputRow;
  const end = target + <usize>inside * PAIR_BYTES;
  interleave(from, from + shape.dilationHeight * shape.inputRow, step, step, target, end);
  if (inside < rows) interleaveRows(input, top + inside * down, rows - inside, end);
}

/** Eight channels of two rows, `step0` and `step1` bytes from one pixel to the next. */
// @ts-ignore: decorator
@inline
function interleave(from0: usize, from1: usize, step0: usize, step1: usize, target: usize, end: usize): void {
  for (let to = target; to < end; to += PAIR_BYTES) {
    const a = v128.load_zero<i64>(from0);
    const b = v128.load_zero<i64>(from1);
    const both = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    v128.store(to, i16x8.extend_low_i8x16_s(both));
    v128.store(to, i16x8.extend_high_i8x16_s(both), 16);
    from0 += step0;
    from1 += step1;
  }
}

function rowsByOne(rows: usize, height: i32, packed: usize, output: usize): void {
  rowsBy(1, BY_ONE, rows, height, packed, output);
}

function rowsByTwo(rows: usize, height: i32, packed: usize, output: usize): void {
  rowsBy(2, BY_TWO, rows, height, packed, output);
}

/**
 * Four channels of output rows of a kernel three taps wide that moves right by one or two: four or three pixels at a time,
 * the last ones of a row over their neighbours. More inputs than are used here at a time would not stay in registers.
 * `stride` and `pixels` are constants.
 */
// @ts-ignore: decorator
@inline
function rowsBy(stride: i32, pixels: i32, rows: usize, height: i32, packed: usize, output: usize): void {
  const pairDown = <usize>shape.pairDown, down = <usize>shape.down, outRow = <usize>shape.outputRow;
  const column = <usize>shape.outputColumn;
  const last = shape.outputWidth - pixels;
  const firstWeights = packed + BLOCK_BYTES;
  const endWeights = firstWeights + <usize>(3 * shape.pairs) * PAIR_BYTES;
  for (; height > 0; height--) {
    let x = 0;
    while (true) {
      let at = rows + <usize>(x * stride) * PAIR_BYTES;
      let a = biasLow(packed), b = a, c = a, d = a;
      for (let weights = firstWeights; weights < endWeights; weights += 3 * PAIR_BYTES) {
        const w0 = v128.load(weights), w1 = v128.load(weights, 32), w2 = v128.load(weights, 64);
        const i0 = v128.load(at), i1 = v128.load(at, 32), i2 = v128.load(at, 64);
        const i3 = v128.load(at, 96), i4 = v128.load(at, 128), i5 = v128.load(at, 160);
        a = addDot(addDot(addDot(a, i0, w0), i1, w1), i2, w2);
        if (stride == 1) {
          b = addDot(addDot(addDot(b, i1, w0), i2, w1), i3, w2);
          c = addDot(addDot(addDot(c, i2, w0), i3, w1), i4, w2);
          d = addDot(addDot(addDot(d, i3, w0), i4, w1), i5, w2);
        } else {
          const i6 = v128.load(at, 192);
          b = addDot(addDot(addDot(b, i2, w0), i3, w1), i4, w2);
          c = addDot(addDot(addDot(c, i4, w0), i5, w1), i6, w2);
        }
        at += pairDown;
      }
      const out = output + <usize>x * column, out2 = out + 2 * column;
      if (stride == 1) storeQuarters(a, b, c, d, packed, out, out + column, out2, out2 + column);
      else storeQuarters(a, b, c, c, packed, out, out + column, out2, out2);
      if (x == last) break;
      x = min(x + pixels, last);
    }
    rows += down;
    output += outRow;
  }
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, inputs: usize, weights: v128): v128 {
  return addDot(sum, v128.load(inputs), weights);
}

/** Output rows from interleaved ones: four pixels at a time; two or three that are left with the last repeated. */
function multiplyTaps(rows: usize, height: i32, packed: usize, table: usize, output: usize, count: i32): void {
  const s = shape;
  const width = s.outputWidth;
  const right = <usize>(s.strideWidth * <i32>PAIR_BYTES);
  const wrap = <usize>s.down - right * (width - 1);
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
    storeFour(a0, a1, b0, b1, c0, c1, d0, d1, packed, quick, out0, out1, out2, out3, count);
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
