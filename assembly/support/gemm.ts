/**
 * The matrix product behind convolution (SIMD): up to four output pixels at a time, whose inputs lie as int16 in
 * scratch, times packed weights. Weights of eight output channels lie together, widened to int16, in pairs of input
 * elements, so that one dot instruction does two inputs of four output channels. Pairs whose sixteen weights are all
 * zero are left out: each pair says where its inputs lie.
 *
 *   for each block of 8 channels: its requantisation block, the number of pairs (i32, padded to 16 bytes), for each
 *   pair the byte offset of its inputs (u32, room for all pairs, padded), for each pair [8 channels][2] int16
 */
import {
  BLOCK_BYTES,
  biasHigh,
  biasLow,
  blockStart,
  CHANNELS,
  isFloat,
  isQuick,
  storeFour,
  storeOne,
  storeQuarters,
  target,
} from "./channels";
import { addDot } from "./dot";
import { MOST, multiplyLanes } from "./lanes";
import { packBlock, setSumRange } from "./pack_block";
import { expandRow, weightRow } from "./weight_rows";

const PAIR_BYTES: usize = 32;
const COUNT_BYTES: usize = 16;
export const PIXELS: i32 = 4;

/**
 * Where a pixel's inputs lie, in elements from its first: runs of `length`, `columns` of them `columnStride` apart,
 * and `rows` of those `rowStride` apart.
 */
// @ts-ignore: decorator
@unmanaged
export class Window {
  length: i32;
  columns: i32;
  columnStride: i32;
  rows: i32;
  rowStride: i32;
}

export const window = changetype<Window>(memory.data(offsetof<Window>()));

export function setWindow(length: i32, columns: i32, columnStride: i32, rows: i32, rowStride: i32): void {
  window.length = length;
  window.columns = columns;
  window.columnStride = columnStride;
  window.rows = rows;
  window.rowStride = rowStride;
}

// @ts-ignore: decorator
@inline
function windowPairs(): i32 {
  return pairsOf(window.length, window.columns * window.rows);
}

// @ts-ignore: decorator
@inline
function pairsOf(length: i32, count: i32): i32 {
  return ((length + 1) >> 1) * count;
}

// @ts-ignore: decorator
@inline
function offsetBytes(pairs: i32): usize {
  return ((<usize>pairs << 2) + 15) & ~15;
}

// @ts-ignore: decorator
@inline
function blockBytes(pairs: i32): usize {
  return BLOCK_BYTES + COUNT_BYTES + offsetBytes(pairs) + <usize>pairs * PAIR_BYTES;
}

export function packedBytes(length: i32, count: i32, channels: i32): usize {
  return <usize>((channels + CHANNELS - 1) / CHANNELS) * blockBytes(pairsOf(length, count));
}

/**
 * Packs weights [channels, rows, columns, length] int8 of an image, and the requantisation of channels
 * [start, start + channels); `tables` and `window` are set. Returns the weights behind these.
 */
export function packWeights(
  packed: usize,
  weights: usize,
  start: i32,
  channels: i32,
  sparse: bool,
  rows: usize,
): usize {
  const length = window.length;
  const runs = window.columns * window.rows;
  const depth = length * runs;
  const stride = weightRow(depth);
  const pairs = windowPairs();
  const end = start + channels;
  for (let first = start; first < end; first += CHANNELS) {
    const fresh = min(CHANNELS, end - first);
    const again = first - start - blockStart(first - start, channels);
    const count = again + fresh;
    // The last block begins with channels of the one before.
    memory.copy(rows, rows + <usize>(fresh * stride), <usize>(again * stride));
    for (let c = again; c < count; c++) weights = expandRow(weights, depth, sparse, rows + <usize>(c * stride));
    for (let c = 0; c < count; c++) setSumRange(c, rows + <usize>(c * stride + stride - depth), depth, 1, 0);
    packBlock(packed, first - again, end, fresh);
    let kept = 0;
    const offsets = packed + BLOCK_BYTES + COUNT_BYTES;
    const values = offsets + offsetBytes(pairs);
    for (let run = 0; run < runs; run++) {
      const runStart = (run / window.columns) * window.rowStride + (run % window.columns) * window.columnStride;
      for (let k = 0; k < length; k += 2) {
        const at = values + <usize>kept * PAIR_BYTES;
        // The second of a last single input is none.
        const mask = k + 1 < length ? 0xffffffff : 0xffff;
        let any = 0;
        let from = rows + <usize>(stride - depth + run * length + k);
        for (let c = 0; c < count; c++) {
          const pair = ((<u32>load<i8>(from) & 0xffff) | (<u32>load<i8>(from, 1) << 16)) & mask;
          store<u32>(at + (<usize>c << 2), pair);
          any |= pair;
          from += stride;
        }
        for (let c = count; c < CHANNELS; c++) store<u32>(at + (<usize>c << 2), 0);
        if (any == 0) continue;
        store<u32>(offsets + (<usize>kept << 2), <u32>((runStart + k) << 1));
        kept++;
      }
    }
    store<i32>(packed + BLOCK_BYTES, kept);
    packed += blockBytes(pairs);
  }
  return weights;
}

/** Widens `count` int8 to int16; reads and writes up to 7 elements more. */
// @ts-ignore: decorator
@inline
export function widen(target: usize, source: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) v128.store(target + (<usize>i << 1), v128.load_ext<i8>(source + i));
}

/** int16 of the inputs of four pixels, whole vectors of them. */
// @ts-ignore: decorator
@inline
export function groupBytes(depth: i32): i32 {
  return ((depth + 7) & ~7) << 3;
}

/**
 * Widens `pixels` pixels in groups of four, pair by pair: [groups][pairs][4][2] int16, in a last group that is not whole
 * the last pixel again; reads up to 7 elements more.
 */
export function widenGroups(target: usize, source: usize, depth: i32, pixels: i32): void {
  const last = source + (pixels - 1) * depth;
  for (; source <= last; ) {
    let s1 = source + depth, s2 = s1 + depth, s3 = s2 + depth;
    if (s3 > last) {
      s1 = min(s1, last);
      s2 = min(s2, last);
      s3 = last;
    }
    for (let k = 0; k < depth; k += 8) {
      const a = v128.load_ext<i8>(source + k), b = v128.load_ext<i8>(s1 + k);
      const c = v128.load_ext<i8>(s2 + k), d = v128.load_ext<i8>(s3 + k);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      v128.store(target, v128.shuffle<i64>(ab, cd, 0, 2));
      v128.store(target, v128.shuffle<i64>(ab, cd, 1, 3), 16);
      // Else nothing reads them.
      if (k + 4 < depth) {
        const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
        v128.store(target, v128.shuffle<i64>(ef, gh, 0, 2), 32);
        v128.store(target, v128.shuffle<i64>(ef, gh, 1, 3), 48);
      }
      target += 64;
    }
    source = s3 + depth;
  }
}

/**
 * All channels of `pixels` pixels that `widenGroups` made groups of; `window`, one run, and `target` are set, and outputs
 * lie side by side. Stores are of whole vectors: what they overwrite of the next pixel is still to be done, and what
 * lies behind the last one is put back.
 */
export function multiplyGroups(inputs: usize, pixels: i32, packed: usize, output: usize): void {
  const pairs = windowPairs();
  const step = blockBytes(pairs);
  const channels = target.channels;
  const stride = <usize>channels;
  const group = <usize>groupBytes(window.length);
  const values = BLOCK_BYTES + COUNT_BYTES + offsetBytes(pairs);
  const isRagged = pixels % PIXELS != 0;
  const endInputs = inputs + <usize>((pixels + PIXELS - 1) / PIXELS) * group;
  const behind = output + <usize>pixels * stride;
  const saved = load<u64>(behind);
  let end = channels;
  const over = channels % CHANNELS;
  const lastBlock = packed + <usize>(channels / CHANNELS) * step;
  if (over != 0 && over <= MOST && isFloat(lastBlock) && load<i32>(lastBlock, BLOCK_BYTES) == pairs) {
    end -= over;
    const block = lastBlock + (<usize>(end - blockStart(end, channels)) << 2);
    const weights = block + values;
    const endWeights = weights + <usize>pairs * PAIR_BYTES;
    multiplyLanes(over, inputs, endInputs, group, block, weights, endWeights, output + end, stride, behind - over);
  }
  for (let first = 0; first < end; first += CHANNELS) {
    const start = blockStart(first, channels);
    const quick = isFloat(packed);
    const kept = load<i32>(packed + BLOCK_BYTES);
    const firstWeights = packed + values;
    const endWeights = firstWeights + <usize>kept * PAIR_BYTES;
    const isDense = kept == pairs;
    const last = output + start + <usize>(pixels - 1) * stride;
    let out = output + start;
    for (let at = inputs; at < endInputs; at += group) {
      let a0 = biasLow(packed), a1 = biasHigh(packed);
      let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
      let weights = firstWeights;
      if (isDense) {
        let four = at;
        while (weights < endWeights) {
          const w0 = v128.load(weights), w1 = v128.load(weights, 16);
          const a = v128.load_splat<i32>(four), b = v128.load_splat<i32>(four, 4);
          const c = v128.load_splat<i32>(four, 8), d = v128.load_splat<i32>(four, 12);
          a0 = addDot(a0, w0, a);
          a1 = addDot(a1, w1, a);
          b0 = addDot(b0, w0, b);
          b1 = addDot(b1, w1, b);
          c0 = addDot(c0, w0, c);
          c1 = addDot(c1, w1, c);
          d0 = addDot(d0, w0, d);
          d1 = addDot(d1, w1, d);
          weights += PAIR_BYTES;
          four += 16;
        }
      } else {
        let offsets = packed + BLOCK_BYTES + COUNT_BYTES;
        while (weights < endWeights) {
          const four = at + <usize>(load<u32>(offsets) << 2);
          const w0 = v128.load(weights), w1 = v128.load(weights, 16);
          const a = v128.load_splat<i32>(four), b = v128.load_splat<i32>(four, 4);
          const c = v128.load_splat<i32>(four, 8), d = v128.load_splat<i32>(four, 12);
          a0 = addDot(a0, w0, a);
          a1 = addDot(a1, w1, a);
          b0 = addDot(b0, w0, b);
          b1 = addDot(b1, w1, b);
          c0 = addDot(c0, w0, c);
          c1 = addDot(c1, w1, c);
          d0 = addDot(d0, w0, d);
          d1 = addDot(d1, w1, d);
          weights += PAIR_BYTES;
          offsets += 4;
        }
      }
      let out1 = out + stride, out2 = out1 + stride, out3 = out2 + stride;
      if (isRagged) {
        out1 = min(out1, last);
        out2 = min(out2, last);
        out3 = min(out3, last);
      }
      storeFour(a0, a1, b0, b1, c0, c1, d0, d1, packed, quick, out, out1, out2, out3, CHANNELS);
      out = out3 + stride;
    }
    packed += step;
  }
  store<u64>(behind, saved);
}

/** Output pixels in rows of `width`, and how their inputs lie: bytes from one to the next, and from a row's last to the next row's first. */
// @ts-ignore: decorator
@unmanaged
export class Pixels {
  count: i32;
  width: i32;
  right: i32;
  wrap: i32;
}

export const pixels = changetype<Pixels>(memory.data(offsetof<Pixels>()));

export function setPixels(count: i32, width: i32, right: i32, wrap: i32): void {
  pixels.count = count;
  pixels.width = width;
  pixels.right = right;
  pixels.wrap = wrap;
}

/**
 * All channels of output pixels, the first of which has its inputs at `inputs`; `window`, `pixels` and `target` are
 * set. Four pixels at a time; of the last one alone is done alone, two or three with the last repeated.
 */
export function multiplyPixels(inputs: usize, packed: usize, output: usize): void {
  const pairs = windowPairs();
  const step = blockBytes(pairs);
  const channels = target.channels;
  const stride = <usize>target.stride;
  const width = pixels.width;
  const right = <usize>pixels.right;
  const wrap = <usize>pixels.wrap;
  for (let first = 0; first < channels; first += CHANNELS) {
    const start = blockStart(first, channels);
    const count = channels - start;
    const quick = isQuick(packed, count);
    const isNarrow = channels == 4 && isFloat(packed);
    const table = packed + BLOCK_BYTES + COUNT_BYTES;
    const end = table + (<usize>load<i32>(packed + BLOCK_BYTES) << 2);
    let p = inputs;
    let out = output + start;
    let left = pixels.count;
    let x = width;
    while (left > 1) {
      const p0 = p, out0 = out;
      p += --x == 0 ? wrap : right;
      out += stride;
      if (x == 0) x = width;
      const p1 = p, out1 = out;
      if (left > 2) {
        p += --x == 0 ? wrap : right;
        out += stride;
        if (x == 0) x = width;
      }
      const p2 = p, out2 = out;
      if (left > 3) {
        p += --x == 0 ? wrap : right;
        out += stride;
        if (x == 0) x = width;
      }
      const p3 = p, out3 = out;
      p += --x == 0 ? wrap : right;
      out += stride;
      if (x == 0) x = width;
      left -= PIXELS;

      let a0 = biasLow(packed), a1 = biasHigh(packed);
      let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
      let offsets = table;
      let weights = table + offsetBytes(pairs);
      if (isNarrow) {
        while (offsets < end) {
          const at = <usize>load<u32>(offsets);
          const w0 = v128.load(weights);
          a0 = addDot(a0, w0, v128.load_splat<i32>(p0 + at));
          b0 = addDot(b0, w0, v128.load_splat<i32>(p1 + at));
          c0 = addDot(c0, w0, v128.load_splat<i32>(p2 + at));
          d0 = addDot(d0, w0, v128.load_splat<i32>(p3 + at));
          weights += PAIR_BYTES;
          offsets += 4;
        }
        storeQuarters(a0, b0, c0, d0, packed, out0, out1, out2, out3);
        continue;
      }
      while (offsets < end) {
        const at = <usize>load<u32>(offsets);
        const w0 = v128.load(weights), w1 = v128.load(weights, 16);
        const a = v128.load_splat<i32>(p0 + at);
        a0 = addDot(a0, w0, a);
        a1 = addDot(a1, w1, a);
        const b = v128.load_splat<i32>(p1 + at);
        b0 = addDot(b0, w0, b);
        b1 = addDot(b1, w1, b);
        const c = v128.load_splat<i32>(p2 + at);
        c0 = addDot(c0, w0, c);
        c1 = addDot(c1, w1, c);
        const d = v128.load_splat<i32>(p3 + at);
        d0 = addDot(d0, w0, d);
        d1 = addDot(d1, w1, d);
        weights += PAIR_BYTES;
        offsets += 4;
      }
      storeFour(a0, a1, b0, b1, c0, c1, d0, d1, packed, quick, out0, out1, out2, out3, count);
    }
    if (left == 1) {
      let a0 = biasLow(packed), a1 = biasHigh(packed);
      let offsets = table;
      let weights = table + offsetBytes(pairs);
      while (offsets < end) {
        const a = v128.load_splat<i32>(p + load<u32>(offsets));
        a0 = addDot(a0, v128.load(weights), a);
        a1 = addDot(a1, v128.load(weights, 16), a);
        weights += PAIR_BYTES;
        offsets += 4;
      }
      storeOne(a0, a1, packed, out, count);
    }
    packed += step;
  }
}
