/**
 * Which int8 values each channel of a tensor can take, for any input: exact interval arithmetic on the integers that
 * the kernels compute with, through every operator that works channel by channel.
 */
import {
  activationRange,
  affineOf,
  biasData,
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
  const { activationMin, activationMax } = activationRange(op.options.activation, to);
  const depth = isDepthwise ? 1 : channelsOf(weights);
  const size = values.length / channels;
  const step = isDepthwise ? channels : depth;
  const groups = input.low.length / depth;
  const { base, below, above } = spansOf(input, from.zeroPoint, hasPadding(graph, op));
  // Without groups all output channels have the same inputs: those that are always zero need not be looked at.
  const fixed = indices(depth, (k) => (groups === 1 ? base[k] !== 0 : base.some((value) => value !== 0)));
  const moving = indices(depth, (k) => groups > 1 || below[k] !== 0 || above[k] !== 0);
  // Roundings add up to less than 1: an accumulator so large, or so small, has the last output.
  const unit = to.scale / from.scale;
  const enough = unit * (activationMax - to.zeroPoint + 1);
  const little = unit * (activationMin - to.zeroPoint - 1);

  /** The output of an accumulator; null where it or its left shift leaves 32 bits: outputs do not grow with it then. */
  const outputOf = (acc: number, scale: number): number | null => {
    if (scale < 0.49 * unit && Math.abs(acc) < 2 ** 31) {
      // Nothing is shifted left.
      if (acc * scale >= enough) return activationMax;
      if (acc * scale <= little) return activationMin;
    }
    const factor = quantizeMultiplier((from.scale * scale) / to.scale);
    const limit = 2 ** (31 - Math.max(factor.shift, 0));
    if (acc < -limit || acc >= limit) return null;
    return clamp(requantize(acc, factor) + to.zeroPoint, activationMin, activationMax);
  };

  const result = {
    low: new Int8Array(channels).fill(activationMin),
    high: new Int8Array(channels).fill(activationMax),
  };
  for (let c = 0; c < channels; c++) {
    const scale = scales[scales.length === 1 ? 0 : c]!;
    const [top, bottom] = [enough / scale, little / scale];
    const first = groups === 1 ? 0 : Math.floor((c * groups) / channels) * depth;
    const start = isDepthwise ? c : c * size;
    const end = isDepthwise ? values.length : start + size;
    let least = bias[c]!;
    if (fixed.length > 0) {
      for (let at = start; at < end; at += step) {
        for (let i = 0; i < fixed.length; i++) least += values[at + fixed[i]!]! * base[first + fixed[i]!]!;
      }
    }
    let most = least;
    // As soon as a range has both ends it can only grow.
    for (let at = start; at < end && (most < top || least > bottom); at += step) {
      for (let i = 0; i < moving.length; i++) {
        const k = moving[i]!;
        const w = values[at + k]!;
        if (w > 0) {
          most += w * above[first + k]!;
          least += w * below[first + k]!;
          if (most >= top && least <= bottom) break;
        } else if (w < 0) {
          most += w * below[first + k]!;
          least += w * above[first + k]!;
          if (least <= bottom && most >= top) break;
        }
      }
    }
    if (most >= top && least <= bottom) continue;
    const low = outputOf(least, scale);
    const high = least === most ? low : outputOf(most, scale);
    if (low === null || high === null) continue;
    result.low[c] = low;
    result.high[c] = high;
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
    const least = low[k]! - zeroPoint;
    const most = high[k]! - zeroPoint;
    // Padding contributes nothing, which is what an element at the zero point does.
    const from = isPadded ? 0 : least > 0 ? least : most < 0 ? most : 0;
    base[k] = from;
    below[k] = least < from ? least - from : 0;
    above[k] = most > from ? most - from : 0;
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
