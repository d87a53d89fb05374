/** Sums over the weights of a channel, by WebAssembly (assembly/plan). */
import { decodeBase64 } from "../base64.ts";
import { alignUp } from "./layout.ts";
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
}

let kernels: Exports | undefined;

export function weightSums(
  weights: Int8Array,
  channels: number,
  order: WeightOrder,
  zeroPoint = 0,
  { depth, low, high }: InputRanges = FROM_0_TO_1,
): WeightSums {
  kernels ??= new WebAssembly.Instance(new WebAssembly.Module(decodeBase64(plan)))
    .exports as unknown as Exports;
  const { memory } = kernels;
  const lowAt = 24 * channels;
  const highAt = lowAt + low.byteLength;
  const weightsAt = highAt + high.byteLength;
  const missing = alignUp(weightsAt + weights.length, 65536) - memory.buffer.byteLength;
  if (missing > 0) memory.grow(missing / 65536);
  new Int32Array(memory.buffer, lowAt).set(low);
  new Int32Array(memory.buffer, highAt).set(high);
  new Int8Array(memory.buffer, weightsAt).set(weights);
  const size = weights.length / channels;
  const [rowStride, stride] = order === "channels first" ? [size, 1] : [1, channels];
  const groups = low.length / depth;
  kernels.sumRows(
    weightsAt,
    channels,
    rowStride,
    stride,
    size / depth,
    depth,
    zeroPoint,
    groups,
    lowAt,
    highAt,
    0,
  );
  const [least, most, count] = [0, 1, 2].map((n) =>
    new Float64Array(memory.buffer, 8 * n * channels, channels).slice(),
  );
  return { least: least!, most: most!, count: count! };
}
