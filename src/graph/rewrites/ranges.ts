/**
 * Which int8 values each channel of a tensor can take, for any input: exact interval arithmetic on the integers that
 * the kernels compute with, through every operator that works channel by channel.
 */
import {
  activationRange,
  affineOf,
  biasData,
  type ClampRange,
  int8Data,
  quantizationOf,
  tensorOf,
} from "../../plan/lower/context.ts";
import { clamp, quantizeMultiplier, requantize } from "../../plan/multiplier.ts";
import type { Graph, Operator, OperatorOf, Tensor } from "../graph.ts";
import { windowExtent } from "../shape.ts";

/** Smallest and largest value of each index of the last dimension. */
export interface ChannelRanges {
  readonly low: Int8Array;
  readonly high: Int8Array;
}

export function channelsOf(tensor: Tensor): number {
  return tensor.shape.at(-1) ?? 1;
}

function unknown(channels: number): ChannelRanges {
  return { low: new Int8Array(channels).fill(-128), high: new Int8Array(channels).fill(127) };
}

/** By tensor index; undefined for what is no int8 activation. */
export function channelRanges(graph: Graph): (ChannelRanges | undefined)[] {
  const ranges: (ChannelRanges | undefined)[] = graph.tensors.map(() => undefined);
  for (const input of graph.inputs) ranges[input] = unknown(channelsOf(tensorOf(graph, input)));
  for (const op of graph.operators) {
    const output = tensorOf(graph, op.outputs[0]!);
    const input = ranges[op.inputs[0]!];
    ranges[op.outputs[0]!] =
      (output.dtype === "int8" && input && propagate(graph, op, input)) || unknown(channelsOf(output));
  }
  return ranges;
}

function propagate(graph: Graph, op: Operator, input: ChannelRanges): ChannelRanges | null {
  switch (op.kind) {
    case "CONV_2D":
    case "DEPTHWISE_CONV_2D":
      return ofConvolution(graph, op, input);
    case "AVERAGE_POOL_2D":
    case "MAX_POOL_2D": {
      const { activationMin, activationMax } = activationRange(
        op.options.activation,
        affineOf(tensorOf(graph, op.outputs[0]!)),
      );
      const within = (value: number) => clamp(value, activationMin, activationMax);
      return { low: input.low.map(within), high: input.high.map(within) };
    }
    case "RESHAPE":
    case "SQUEEZE":
    case "EXPAND_DIMS":
      return channelsOf(tensorOf(graph, op.outputs[0]!)) === input.low.length ? input : null;
    default:
      return null;
  }
}

/** Whether some window of a convolution reaches into the padding. */
export function hasPadding(graph: Graph, op: OperatorOf<"CONV_2D" | "DEPTHWISE_CONV_2D">): boolean {
  const [, height, width] = tensorOf(graph, op.inputs[0]!).shape as [number, number, number];
  const [, kernelHeight, kernelWidth] = tensorOf(graph, op.inputs[1]!).shape as [number, number, number];
  const { padding, strideHeight, strideWidth, dilationHeight, dilationWidth } = op.options;
  const reaches = (size: number, kernel: number, stride: number, dilation: number) => {
    const { output, before } = windowExtent(padding, size, kernel, stride, dilation);
    return before > 0 || (output - 1) * stride + (kernel - 1) * dilation - before >= size;
  };
  return (
    reaches(height, kernelHeight, strideHeight, dilationHeight) ||
    reaches(width, kernelWidth, strideWidth, dilationWidth)
  );
}

function ofConvolution(
  graph: Graph,
  op: OperatorOf<"CONV_2D" | "DEPTHWISE_CONV_2D">,
  input: ChannelRanges,
): ChannelRanges {
  const weights = tensorOf(graph, op.inputs[1]!);
  const values = int8Data(weights);
  const output = tensorOf(graph, op.outputs[0]!);
  const isDepthwise = op.kind === "DEPTHWISE_CONV_2D";
  const channels = channelsOf(output);
  const [from, to] = [affineOf(tensorOf(graph, op.inputs[0]!)), affineOf(output)];
  const { scales } = quantizationOf(weights);
  const bias = biasData(graph, op.inputs[2], channels);
  const limits = activationRange(op.options.activation, to);
  const depth = isDepthwise ? 1 : channelsOf(weights);
  const taps = values.length / (channels * depth);
  const step = isDepthwise ? channels : depth;
  const perGroup = (channels * depth) / input.low.length;
  const { base, below, above } = spansOf(input, from.zeroPoint, hasPadding(graph, op));
  // Without groups all output channels have the same inputs: those that are always zero need not be looked at.
  const isShared = !isDepthwise && depth === base.length;
  const fixed = indices(depth, (k) => (isShared ? base[k] !== 0 : base.some((value) => value !== 0)));
  const moving = indices(depth, (k) => !isShared || below[k] !== 0 || above[k] !== 0);

  const result = { low: new Int8Array(channels), high: new Int8Array(channels) };
  for (let c = 0; c < channels; c++) {
    const first = Math.floor(c / perGroup) * depth;
    const start = isDepthwise ? c : c * taps * depth;
    const end = start + taps * step;
    const factor = (from.scale * scales[scales.length === 1 ? 0 : c]!) / to.scale;
    // Roundings add up to less than 1: from here on the output is at its limits.
    const enough = (limits.activationMax - to.zeroPoint + 1) / factor;
    const little = (limits.activationMin - to.zeroPoint - 1) / factor;
    let least = bias[c]!;
    for (let at = start; fixed.length > 0 && at < end; at += step) {
      for (let i = 0; i < fixed.length; i++) least += values[at + fixed[i]!]! * base[first + fixed[i]!]!;
    }
    let most = least;
    let isOpen = true;
    for (let at = start; isOpen && at < end; at += step) {
      for (let i = 0; i < moving.length; i++) {
        const k = moving[i]!;
        const w = values[at + k]!;
        if (w > 0) {
          least += w * below[first + k]!;
          most += w * above[first + k]!;
        } else if (w < 0) {
          least += w * above[first + k]!;
          most += w * below[first + k]!;
        }
        // From here on the range only grows.
        if (most >= enough && least <= little) {
          isOpen = false;
          break;
        }
      }
    }
    const low = isOpen ? outputOf(least, factor, to.zeroPoint, limits) : null;
    const high = isOpen ? outputOf(most, factor, to.zeroPoint, limits) : null;
    const isKnown = low !== null && high !== null;
    result.low[c] = isKnown ? low : limits.activationMin;
    result.high[c] = isKnown ? high : limits.activationMax;
  }
  return result;
}

/** By input channel: what an input less its zero point can be, as `base` and a range around it that holds 0. */
function spansOf({ low, high }: ChannelRanges, zeroPoint: number, isPadded: boolean) {
  const channels = low.length;
  const base = new Int32Array(channels);
  const below = new Int32Array(channels);
  const above = new Int32Array(channels);
  for (let k = 0; k < channels; k++) {
    const [least, most] = [low[k]! - zeroPoint, high[k]! - zeroPoint];
    // Padding contributes nothing, which is what an element at the zero point does.
    if (!isPadded) base[k] = least > 0 ? least : most < 0 ? most : 0;
    below[k] = Math.min(least, base[k]!) - base[k]!;
    above[k] = Math.max(most, base[k]!) - base[k]!;
  }
  return { base, below, above };
}

/** Those below `length` that are wanted. */
export function indices(length: number, isWanted: (index: number) => boolean): Int32Array {
  const found = new Int32Array(length);
  let count = 0;
  for (let k = 0; k < length; k++) if (isWanted(k)) found[count++] = k;
  return found.subarray(0, count);
}

/** The output of an accumulator; null where it or its left shift leaves 32 bits, so that outputs do not grow with it. */
function outputOf(
  acc: number,
  factor: number,
  zeroPoint: number,
  { activationMin, activationMax }: ClampRange,
): number | null {
  if (factor < 0.5 && Math.abs(acc) < 2 ** 31) {
    // Nothing is shifted left, and the roundings add up to less than 1.
    if (acc * factor >= activationMax - zeroPoint + 1) return activationMax;
    if (acc * factor <= activationMin - zeroPoint - 1) return activationMin;
  }
  const multiplier = quantizeMultiplier(factor);
  const limit = 2 ** (31 - Math.max(multiplier.shift, 0));
  if (acc < -limit || acc >= limit) return null;
  return clamp(requantize(acc, multiplier) + zeroPoint, activationMin, activationMax);
}
