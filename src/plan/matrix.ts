/**
 * Weights in the image. The matrix product of pointwise and full convolution on the chip: the inputs of three pixels, as
 * x + 128, share two words, one byte of weight multiplies both, and three sums grow in lanes of 21 bits
 * (firmware/support/gemm.h).
 */
import type { KernelCall } from "./kernel-call.ts";
import { ALIGNMENT, alignUp } from "./layout.ts";
import { type WeightSums, weightSums } from "./weights.ts";

/** A sum must stay in [-LANE_LIMIT, LANE_LIMIT) while it is in its lane. */
const LANE_LIMIT = 2 ** 20;
/** Sums can be taken out of the lanes after every so many inputs. */
export const UNPACK_STEP = 16;
/** What fits the record's field. */
const MAX_UNPACK = 0xffff - (0xffff % UNPACK_STEP);

export interface MatrixFields {
  /** Dense, [channels, `rowBytes(depth)`], or sparse. */
  readonly weights: Int8Array;
  readonly unpack: number;
  readonly sparse: number;
}

/** Bytes of one channel's weights in the image: whole words. */
export function rowBytes(depth: number): number {
  return alignUp(depth, ALIGNMENT);
}

/**
 * Weights as the chip takes them, in the form that is faster there.
 *
 * @param weights [channels, depth]
 */
export function matrixFields(
  weights: Int8Array,
  channels: number,
  groups = 1,
  sums = weightSums(weights, channels, "channels first"),
): MatrixFields {
  const depth = weights.length / channels;
  const unpack = unpackAfter(weights, channels, sums);
  if (groups === 1 && unpack === depth) {
    const cycles = (pairs: number) => SPARSE_CYCLES * pairs + SPARSE_ROW_CYCLES * channels;
    const dense = DENSE_CYCLES * weights.length;
    // Each weight that is not zero is a pair; more are rare.
    if (cycles(sums.count.reduce((all, own) => all + own, 0)) < dense) {
      const sparse = sparseRows(weights, channels);
      if (cycles(sparse.length / 2 - channels) < dense) {
        return { weights: sparse, unpack, sparse: 1 };
      }
    }
  }
  return { weights: denseRows(weights, channels), unpack, sparse: 0 };
}

/** Cycles for six pixels: of a weight, of a pair, and what a sparse row takes more than a dense one. */
const DENSE_CYCLES = 15.25;
const SPARSE_CYCLES = 19.5;
const SPARSE_ROW_CYCLES = 12;

export function denseRows(weights: Int8Array, channels: number): Int8Array {
  const depth = weights.length / channels;
  const bytes = rowBytes(depth);
  if (bytes === depth) return weights;
  const rows = new Int8Array(channels * bytes);
  for (let c = 0; c < channels; c++) {
    rows.set(weights.subarray(c * depth, (c + 1) * depth), (c + 1) * bytes - depth);
  }
  return rows;
}

/** What a pair can leave out. */
const MAX_GAP = 255;

/** No row is empty; gaps that are too long have zero weights in them. */
export function sparseRows(weights: Int8Array, channels: number): Int8Array {
  const depth = weights.length / channels;
  const bytes = new Int8Array(2 * (channels + Math.max(weights.length, channels)));
  let end = 0;
  for (let c = 0; c < channels; c++) {
    const start = end;
    end += 2;
    let gap = 0;
    for (let i = c * depth; i < (c + 1) * depth; i++) {
      const weight = weights[i]!;
      if (weight !== 0 || gap === MAX_GAP) {
        bytes[end++] = weight;
        bytes[end++] = gap;
        gap = 0;
      } else {
        gap++;
      }
    }
    if (end === start + 2) end += 2;
    const count = (end - start - 2) / 2;
    bytes[start] = count;
    bytes[start + 1] = count >> 8;
  }
  return bytes.slice(0, end);
}

const reachesLimit = (sum: number) => 255 * sum >= LANE_LIMIT;

/** As many inputs as possible whose sums fit their lanes whatever the inputs are: the whole depth, or equal parts. */
function unpackAfter(weights: Int8Array, channels: number, { least, most }: WeightSums): number {
  const depth = weights.length / channels;
  const isWhole = !most.some(reachesLimit) && !least.some((sum) => reachesLimit(-sum));
  if (isWhole && depth <= MAX_UNPACK) return depth;
  for (let parts = 2; ; parts++) {
    const inputs = UNPACK_STEP * Math.ceil(depth / UNPACK_STEP / parts);
    if (inputs <= MAX_UNPACK && staysInLane(weights, channels, inputs)) return inputs;
  }
}

function staysInLane(weights: Int8Array, channels: number, inputs: number): boolean {
  const depth = weights.length / channels;
  for (let c = 0; c < channels; c++) {
    for (let end = (c + 1) * depth; end > c * depth; end -= inputs) {
      let [least, most] = [0, 0];
      for (let i = Math.max(c * depth, end - inputs); i < end; i++) {
        const w = weights[i]!;
        if (w < 0) least += w;
        else most += w;
      }
      if (reachesLimit(most) || reachesLimit(-least)) return false;
    }
  }
  return true;
}

/** Outputs whose weights lie together in a fully connected operator. */
const OUTPUTS = 4;

/**
 * Weights of a fully connected operator in the order in which both runtimes read them, [outputs / 4, inputs / 2, 4, 2],
 * with zeros where 4 or 2 do not divide.
 *
 * @param weights [outputs, inputs]
 */
export function interleaved(weights: Int8Array, outputs: number): Int8Array {
  const inputs = weights.length / outputs;
  const result = new Int8Array(Math.ceil(outputs / OUTPUTS) * OUTPUTS * alignUp(inputs, 2));
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) result[interleavedAt(o, i, inputs)] = weights[o * inputs + i]!;
  }
  return result;
}

/** The weights of a call as they were before they took the image's form: [channels, depth]. */
export function plainWeights(call: MatrixCall): Int8Array {
  const packed = call.values.weights as Int8Array;
  const channels = call.values.outputChannels;
  if (call.kernel === "fully_connected_s8")
    return plainInterleaved(packed, channels, call.values.inputChannels);
  const depth =
    call.kernel === "pointwise_s8"
      ? call.values.inputChannels
      : (call.values.kernelHeight * call.values.kernelWidth * call.values.inputChannels) / call.values.groups;
  const plain = new Int8Array(channels * depth);
  for (let c = 0, at = 0; c < channels; c++) {
    if (call.values.sparse === 0) {
      at += rowBytes(depth);
      plain.set(packed.subarray(at - depth, at), c * depth);
      continue;
    }
    let k = c * depth;
    for (let left = (packed[at]! & 0xff) | ((packed[at + 1]! & 0xff) << 8); left > 0; left--) {
      at += 2;
      k += packed[at + 1]! & 0xff;
      plain[k++] = packed[at]!;
    }
    at += 2;
  }
  return plain;
}

/** Calls whose weights have a form of their own. */
export type MatrixCall = Extract<
  KernelCall,
  { readonly kernel: "conv_s8" | "pointwise_s8" | "fully_connected_s8" }
>;

function plainInterleaved(packed: Int8Array, outputs: number, inputs: number): Int8Array {
  const plain = new Int8Array(outputs * inputs);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) plain[o * inputs + i] = packed[interleavedAt(o, i, inputs)]!;
  }
  return plain;
}

/** Where the weight of an output and an input lies. */
function interleavedAt(output: number, input: number, inputs: number): number {
  const block = Math.floor(output / OUTPUTS) * OUTPUTS * alignUp(inputs, 2);
  return block + 2 * OUTPUTS * (input >> 1) + 2 * (output % OUTPUTS) + (input & 1);
}
