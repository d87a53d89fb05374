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
import { clamp, type Multiplier, quantizeMultiplier, requantize } from "../../plan/multiplier.ts";
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
  const taps = values.length / (channels * depth);
  const perOutput = isDepthwise ? channels / input.low.length : channels / (input.low.length / depth);
  // Padding contributes nothing, which is what an element at the zero point does.
  const isPadded = hasPadding(graph, op);
  const low = new Int32Array(input.low.length);
  const high = new Int32Array(input.low.length);
  for (let k = 0; k < low.length; k++) {
    const [least, most] = [input.low[k]!, input.high[k]!];
    low[k] = (isPadded ? Math.min(least, from.zeroPoint) : least) - from.zeroPoint;
    high[k] = (isPadded ? Math.max(most, from.zeroPoint) : most) - from.zeroPoint;
  }
  // Without groups all output channels have the same inputs: those that are always zero need not be looked at.
  const inputs = isDepthwise ? [0] : [...Array(depth).keys()];
  const live =
    !isDepthwise && depth === low.length ? inputs.filter((k) => low[k] !== 0 || high[k] !== 0) : inputs;

  const result = { low: new Int8Array(channels), high: new Int8Array(channels) };
  for (let c = 0; c < channels; c++) {
    const first = isDepthwise ? Math.floor(c / perOutput) : Math.floor(c / perOutput) * depth;
    const step = isDepthwise ? channels : depth;
    let at = isDepthwise ? c : c * taps * depth;
    let least = bias[c]!;
    let most = least;
    for (let tap = 0; tap < taps; tap++) {
      for (let i = 0; i < live.length; i++) {
        const k = live[i]!;
        const w = values[at + k]!;
        if (w > 0) {
          least += w * low[first + k]!;
          most += w * high[first + k]!;
        } else if (w < 0) {
          least += w * high[first + k]!;
          most += w * low[first + k]!;
        }
      }
      at += step;
    }
    const factor = quantizeMultiplier((from.scale * scales[scales.length === 1 ? 0 : c]!) / to.scale);
    const wraps = !fitsInt32(least, factor) || !fitsInt32(most, factor);
    const outputOf = (acc: number) =>
      clamp(requantize(acc, factor) + to.zeroPoint, activationMin, activationMax);
    result.low[c] = wraps ? activationMin : outputOf(least);
    result.high[c] = wraps ? activationMax : outputOf(most);
  }
  return result;
}

/** Whether accumulator and left shift stay within 32 bits, so that the output grows with the accumulator. */
function fitsInt32(acc: number, { shift }: Multiplier): boolean {
  const limit = 2 ** (31 - Math.max(shift, 0));
  return acc >= -limit && acc < limit;
}
