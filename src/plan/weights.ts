/** What planning asks of weights, by WebAssembly (assembly/plan). */
import { decodeBase64, ensure } from "../wasm.ts";
import { plan } from "./wasm.generated.ts";

/** Where the weights of a channel lie: [channels, taps], or [taps, channels] as depthwise has them. */
export type WeightOrder = "channels first" | "channels last";

/** What the weights are multiplied by: input k of a tap is from low[k] to high[k]. */
export interface InputRanges {
  /** Inputs of a channel at each tap; with more in the lists, equal groups of channels have one part of them each. */
  readonly depth: number;
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** By channel. */
export interface WeightSums {
  /** The least and the most that the sum of (w - zero point) * x can be. */
  readonly least: Float64Array;
  readonly most: Float64Array;
  /** How many weights differ from the zero point. */
  readonly count: Float64Array;
}

/** Then the least sum is that of the negative weights, and the most that of the positive ones. */
const FROM_0_TO_1: InputRanges = { depth: 1, low: Int32Array.of(0), high: Int32Array.of(1) };

interface Exports {
  readonly memory: WebAssembly.Memory;
  sumRows(
    weights: number,
    rows: number,
    rowStride: number,
    stride: number,
    taps: number,
    depth: number,
    zeroPoint: number,
    groups: number,
    low: number,
    high: number,
    sums: number,
  ): void;
  gatherWeights(
    weights: number,
    size: number,
    depth: number,
    kept: number,
    count: number,
    left: number,
    leftCount: number,
    gathered: number,
  ): void;
}

interface Kernels extends Exports {
  readonly bytes: Int8Array;
  readonly integers: Int32Array;
  readonly doubles: Float64Array;
}

let kernels: Kernels | undefined;

/** The kernels with a memory of so many bytes. */
function kernelsWith(bytes: number): Kernels {
  const exports =
    kernels ??
    (new WebAssembly.Instance(new WebAssembly.Module(decodeBase64(plan))).exports as unknown as Exports);
  const { memory, sumRows, gatherWeights } = exports;
  ensure(memory, bytes);
  const { buffer } = memory;
  // Growing leaves the old buffer without bytes.
  if (kernels?.bytes.buffer === buffer) return kernels;
  kernels = {
    memory,
    sumRows,
    gatherWeights,
    bytes: new Int8Array(buffer),
    integers: new Int32Array(buffer),
    doubles: new Float64Array(buffer),
  };
  return kernels;
}

export function weightSums(
  weights: Int8Array,
  channels: number,
  order: WeightOrder,
  zeroPoint = 0,
  { depth, low, high }: InputRanges = FROM_0_TO_1,
): WeightSums {
  const lowAt = 24 * channels;
  const highAt = lowAt + low.byteLength;
  const weightsAt = highAt + high.byteLength;
  const { bytes, integers, doubles, sumRows } = kernelsWith(weightsAt + weights.length);
  integers.set(low, lowAt / 4);
  integers.set(high, highAt / 4);
  bytes.set(weights, weightsAt);
  const size = weights.length / channels;
  const [rowStride, stride] = order === "channels first" ? [size, 1] : [1, channels];
  const groups = low.length / depth;
  sumRows(weightsAt, channels, rowStride, stride, size / depth, depth, zeroPoint, groups, lowAt, highAt, 0);
  const sums = doubles.slice(0, 3 * channels);
  return {
    least: sums.subarray(0, channels),
    most: sums.subarray(channels, 2 * channels),
    count: sums.subarray(2 * channels),
  };
}

/**
 * Of rows of `size` weights those at the indices `kept`, and in each `depth` of them those at the indices `left`.
 */
export function gatherWeights(
  weights: Int8Array,
  size: number,
  depth: number,
  kept: Int32Array,
  left: Int32Array,
): Int8Array {
  const leftAt = kept.byteLength;
  const weightsAt = leftAt + left.byteLength;
  const gatheredAt = weightsAt + weights.length;
  const end = gatheredAt + (kept.length * size * left.length) / depth;
  const { bytes, integers, gatherWeights: gather } = kernelsWith(end);
  integers.set(kept);
  integers.set(left, leftAt / 4);
  bytes.set(weights, weightsAt);
  gather(weightsAt, size, depth, 0, kept.length, leftAt, left.length, gatheredAt);
  return bytes.slice(gatheredAt, end);
}
