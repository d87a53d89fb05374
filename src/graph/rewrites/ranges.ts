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
import { weightSums } from "../../plan/weights.ts";
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
  const sums = weightSums(values, channels, isDepthwise ? "channels last" : "channels first", 0, {
    depth: isDepthwise ? 1 : channelsOf(weights),
    ...distances(input, from.zeroPoint, hasPadding(graph, op)),
  });

  /** The output of an accumulator; null where it or its left shift leaves 32 bits: outputs do not grow with it then. */
  const outputOf = (acc: number, real: number): number | null => {
    if (real < 0.5 && Math.abs(acc) < 2 ** 31) {
      // Nothing is shifted left, and the roundings add up to less than 1.
      if (acc * real >= activationMax - to.zeroPoint + 1) return activationMax;
      if (acc * real <= activationMin - to.zeroPoint - 1) return activationMin;
    }
    const factor = quantizeMultiplier(real);
    const limit = 2 ** (31 - Math.max(factor.shift, 0));
    if (acc < -limit || acc >= limit) return null;
    return clamp(requantize(acc, factor) + to.zeroPoint, activationMin, activationMax);
  };

  const result = { low: new Int8Array(channels), high: new Int8Array(channels) };
  for (let c = 0; c < channels; c++) {
    const real = (from.scale * scales[scales.length === 1 ? 0 : c]!) / to.scale;
    const least = bias[c]! + sums.least[c]!;
    const most = bias[c]! + sums.most[c]!;
    const low = outputOf(least, real);
    const high = least === most ? low : outputOf(most, real);
    const isKnown = low !== null && high !== null;
    result.low[c] = isKnown ? low : activationMin;
    result.high[c] = isKnown ? high : activationMax;
  }
  return result;
}

/** The ranges less the zero point. */
function distances({ low, high }: ChannelRanges, zeroPoint: number, isPadded: boolean) {
  const [least, most] = [new Int32Array(low), new Int32Array(high)];
  for (let k = 0; k < least.length; k++) {
    least[k]! -= zeroPoint;
    most[k]! -= zeroPoint;
    if (!isPadded) continue;
    // Padding contributes nothing, which is what an element at the zero point does.
    if (least[k]! > 0) least[k] = 0;
    if (most[k]! < 0) most[k] = 0;
  }
  return { low: least, high: most };
}
