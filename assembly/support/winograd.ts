/**
 * 3x3 convolution with stride 1 by Winograd's minimal filtering F(2x2, 3x3) in integers (SIMD): four outputs of 16
 * products in place of 36. With filters that have twice the usual factor in each direction nothing is rounded, and what
 * comes out is four times the sum, modulo 2^32.
 *
 *   input tiles of 4x4    rows d0 - d2, d1 + d2, d2 - d1, d1 - d3, then columns the same: at most 512, int16
 *   filters               rows 2 g0, g0 + g1 + g2, g0 - g1 + g2, 2 g2, then columns the same: at most 1,152, int16
 *   output of 2x2         rows m0 + m1 + m2, m1 - m2 - m3, then columns the same
 *
 * Packed, for each block of eight output channels: its requantisation, then [16][pairs of inputs][8 channels][2] int16.
 */
import {
  biasAt,
  BLOCK_BYTES,
  blockStart,
  CHANNELS,
  isQuick,
  kept,
  storeKept,
  storeTwo,
  target,
} from "./channels";
import { addDot } from "./dot";
import { packBlock, setSumRange } from "./pack_block";
import { ConvS8Record } from "./records";
import { weightRow } from "./weight_rows";
import { widenRows } from "./widen";

const PAIR_BYTES: usize = 32;
const TILES: i32 = 4;
const PLACES: i32 = 16;
const MAX_INPUTS: i32 = 64;
/** Bytes of a tile's inputs at one of the 16 places: a constant, so that one address serves four tiles. */
const TILE_BYTES: usize = <usize>MAX_INPUTS << 1;
const INPUTS_BYTES: usize = <usize>(PLACES * TILES) * TILE_BYTES;

/** Products: [16 places][4 tiles][8 channels] int32. */
const products = memory.data(16 * 4 * 32, 16);
/** Where outputs outside the picture go. */
const nowhere = memory.data(8);

/** Whether a convolution is done this way: it must gain more than the transforms cost. */
export function isWinograd(r: ConvS8Record): bool {
  if (r.kernelHeight != 3 || r.kernelWidth != 3 || r.strideHeight != 1 || r.strideWidth != 1) return false;
  if (r.dilationHeight != 1 || r.dilationWidth != 1 || r.groups != 1 || r.sparse) return false;
  return r.inputChannels >= 16 && <i32>r.inputChannels <= MAX_INPUTS && r.outputChannels >= 16 && r.outputWidth > 4;
}

// @ts-ignore: decorator
@inline
function pairsOf(r: ConvS8Record): usize {
  return (<usize>r.inputChannels + 1) >> 1;
}

// @ts-ignore: decorator
@inline
function winogradBlock(r: ConvS8Record): usize {
  return BLOCK_BYTES + <usize>PLACES * pairsOf(r) * PAIR_BYTES;
}

export function winogradBytes(r: ConvS8Record): usize {
  return <usize>((<i32>r.outputChannels + CHANNELS - 1) / CHANNELS) * winogradBlock(r);
}

/** Columns of tiles of 2x2 outputs. */
// @ts-ignore: decorator
@inline
function tilesAcross(r: ConvS8Record): i32 {
  return (<i32>r.outputWidth + 1) >> 1;
}

/** Bytes of a row of int16 that a row of tiles covers, with what is read and written too much. */
// @ts-ignore: decorator
@inline
function rowBytes(r: ConvS8Record): usize {
  return <usize>((2 * tilesAcross(r) + 2) * <i32>r.inputChannels + 16) << 1;
}

/** Inputs of four tiles, four input rows, the same four with rows combined. */
export function winogradScratch(r: ConvS8Record): usize {
  return INPUTS_BYTES + 8 * rowBytes(r);
}

/** `tables` is set; weights [channels, 3, 3, inputs] int8 as rows of an image. */
export function winogradPack(r: ConvS8Record, packed: usize, weights: usize): void {
  const inputs = <i32>r.inputChannels;
  const channels = <i32>r.outputChannels;
  const stride = <usize>weightRow(9 * inputs);
  weights += stride - <usize>(9 * inputs);
  for (let first = 0; first < channels; first += CHANNELS) {
    const start = blockStart(first, channels);
    const values = packed + BLOCK_BYTES;
    memory.fill(values, 0, winogradBlock(r) - BLOCK_BYTES);
    for (let c = 0; c < CHANNELS; c++) {
      const filter = weights + <usize>(start + c) * stride;
      setSumRange(c, filter, 9 * inputs, 1, 0);
      for (let k = 0; k < inputs; k++) {
        const at = values + <usize>(k >> 1) * PAIR_BYTES + <usize>((c << 2) + ((k & 1) << 1));
        transformFilter(filter + k, inputs, at, pairsOf(r) * PAIR_BYTES);
      }
    }
    packBlock(packed, start, channels, min(CHANNELS, channels - first));
    packed += winogradBlock(r);
  }
}

/** One filter, taps `step` bytes apart, to 16 int16, `stride` bytes apart. */
function transformFilter(filter: usize, step: usize, to: usize, stride: usize): void {
  for (let i = 0; i < 4; i++) {
    const a = combine(filter, step * 3, i), b = combine(filter + step, step * 3, i), c = combine(filter + 2 * step, step * 3, i);
    store<i16>(to, <i16>(2 * a));
    store<i16>(to + stride, <i16>(a + b + c));
    store<i16>(to + 2 * stride, <i16>(a - b + c));
    store<i16>(to + 3 * stride, <i16>(2 * c));
    to += stride << 2;
  }
}

// @ts-ignore: decorator
@inline
function combine(column: usize, row: usize, i: i32): i32 {
  const a = <i32>load<i8>(column), b = <i32>load<i8>(column + row), c = <i32>load<i8>(column + 2 * row);
  return i == 0 ? 2 * a : i == 1 ? a + b + c : i == 2 ? a - b + c : 2 * c;
}

/** One picture; `target` is set. */
export function winograd(r: ConvS8Record, input: usize, output: usize, packed: usize, scratch: usize): void {
  const across = tilesAcross(r);
  const height = <i32>r.outputHeight;
  const channels = <i32>r.outputChannels;
  const pairs = pairsOf(r);
  const row = rowBytes(r);
  const rows = scratch + INPUTS_BYTES;
  const combined = rows + 4 * row;
  for (let y = 0; y < height; y += 2) {
    widenRows(r, input, rows, y - r.padTop, 4, 2 * across + 2, row);
    combineRows(rows, combined, row);
    for (let tile = 0; tile < across; tile += TILES) {
      const count = min(TILES, across - tile);
      for (let t = 0; t < count; t++) {
        const from = combined + <usize>((tile + t) * 2 * <i32>r.inputChannels) * 2;
        combineColumns(from, row, <usize>r.inputChannels << 1, scratch + <usize>t * TILE_BYTES);
      }
      let block = packed;
      for (let first = 0; first < channels; first += CHANNELS) {
        const start = blockStart(first, channels);
        multiplyTiles(scratch, block + BLOCK_BYTES, pairs);
        for (let t = 0; t < count; t++) {
          const x = (tile + t) << 1;
          const out = output + <usize>((y * <i32>r.outputWidth + x) * channels + start);
          storeTile(products + <usize>t * 32, block, out, x + 1 < <i32>r.outputWidth, y + 1 < height, channels - start);
        }
        block += winogradBlock(r);
      }
    }
  }
}

function combineRows(rows: usize, to: usize, row: usize): void {
  const end = rows + row - 16;
  const r1 = row, r2 = row << 1, r3 = r1 + r2;
  for (; rows < end; rows += 16) {
    const d0 = v128.load(rows), d1 = v128.load(rows + r1), d2 = v128.load(rows + r2), d3 = v128.load(rows + r3);
    v128.store(to, i16x8.sub(d0, d2));
    v128.store(to + r1, i16x8.add(d1, d2));
    v128.store(to + r2, i16x8.sub(d2, d1));
    v128.store(to + r3, i16x8.sub(d1, d3));
    to += 16;
  }
}

/** A tile's four combined rows to its 16 places. */
function combineColumns(rows: usize, row: usize, pixel: usize, to: usize): void {
  const p2 = pixel << 1, p3 = pixel + p2;
  for (let i = 0; i < 4; i++) {
    let place = to;
    for (const end = rows + pixel; rows < end; rows += 16) {
      const d0 = v128.load(rows), d1 = v128.load(rows + pixel), d2 = v128.load(rows + p2), d3 = v128.load(rows + p3);
      v128.store(place, i16x8.sub(d0, d2));
      v128.store(place, i16x8.add(d1, d2), 512);
      v128.store(place, i16x8.sub(d2, d1), 1024);
      v128.store(place, i16x8.sub(d1, d3), 1536);
      place += 16;
    }
    rows += row - ((pixel + 15) & ~15);
    to += 2048;
  }
}

/** Eight channels of four tiles at 16 places into `products`. */
function multiplyTiles(inputs: usize, weights: usize, pairs: usize): void {
  const bytes = pairs * PAIR_BYTES;
  let to = products;
  for (const last = inputs + INPUTS_BYTES; inputs < last; inputs += 512) {
    let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    let at = inputs;
    for (const end = weights + bytes; weights < end; weights += PAIR_BYTES) {
      const w0 = v128.load(weights), w1 = v128.load(weights, 16);
      const a = v128.load_splat<i32>(at), b = v128.load_splat<i32>(at, 128);
      const c = v128.load_splat<i32>(at, 256), d = v128.load_splat<i32>(at, 384);
      a0 = addDot(a0, w0, a);
      a1 = addDot(a1, w1, a);
      b0 = addDot(b0, w0, b);
      b1 = addDot(b1, w1, b);
      c0 = addDot(c0, w0, c);
      c1 = addDot(c1, w1, c);
      d0 = addDot(d0, w0, d);
      d1 = addDot(d1, w1, d);
      at += 4;
    }
    v128.store(to, a0);
    v128.store(to, a1, 16);
    v128.store(to, b0, 32);
    v128.store(to, b1, 48);
    v128.store(to, c0, 64);
    v128.store(to, c1, 80);
    v128.store(to, d0, 96);
    v128.store(to, d1, 112);
    to += 128;
  }
}

/** The product at a row and a column of places. */
// @ts-ignore: decorator
@inline
function at(m: usize, row: usize, column: usize): v128 {
  return v128.load(m + (row * 4 + column) * 128);
}

// @ts-ignore: decorator
@inline
function upper(m: usize, column: usize): v128 {
  return i32x4.add(i32x4.add(at(m, 0, column), at(m, 1, column)), at(m, 2, column));
}

// @ts-ignore: decorator
@inline
function lower(m: usize, column: usize): v128 {
  return i32x4.sub(i32x4.sub(at(m, 1, column), at(m, 2, column)), at(m, 3, column));
}

/** Eight channels of one tile to four pixels; the right and the lower ones where they are in the picture. */
function storeTile(m: usize, block: usize, out: usize, hasRight: bool, hasLower: bool, count: i32): void {
  for (let half: usize = 0; half < 32; half += 16) {
    const bias = biasAt(block + half);
    const u0 = upper(m + half, 0), u1 = upper(m + half, 1), u2 = upper(m + half, 2), u3 = upper(m + half, 3);
    v128.store(kept + half, quarter(i32x4.add(i32x4.add(u0, u1), u2), bias));
    v128.store(kept + half, quarter(i32x4.sub(i32x4.sub(u1, u2), u3), bias), 32);
    const l0 = lower(m + half, 0), l1 = lower(m + half, 1), l2 = lower(m + half, 2), l3 = lower(m + half, 3);
    v128.store(kept + half, quarter(i32x4.add(i32x4.add(l0, l1), l2), bias), 64);
    v128.store(kept + half, quarter(i32x4.sub(i32x4.sub(l1, l2), l3), bias), 96);
  }
  const stride = <usize>target.stride;
  const below = out + <usize>target.row;
  const out1 = hasRight ? out + stride : nowhere;
  const out2 = hasLower ? below : nowhere;
  const out3 = hasRight && hasLower ? below + stride : nowhere;
  if (isQuick(block, count)) {
    storeTwo(v128.load(kept), v128.load(kept, 16), v128.load(kept, 32), v128.load(kept, 48), block, out, out1);
    storeTwo(v128.load(kept, 64), v128.load(kept, 80), v128.load(kept, 96), v128.load(kept, 112), block, out2, out3);
  } else {
    storeKept(block, out, out1, out2, out3, count);
  }
}

// @ts-ignore: decorator
@inline
function quarter(sum: v128, bias: v128): v128 {
  return i32x4.add(i32x4.shr_s(sum, 2), bias);
}
