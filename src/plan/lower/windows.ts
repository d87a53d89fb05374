import type { Graph, OperatorOf, Tensor } from "../../graph/graph.ts";
import { windowExtent } from "../../graph/shape.ts";
import type { KernelCall } from "../kernel-call.ts";
import { interleaved, matrixFields } from "../matrix.ts";
import { type Multiplier, quantizeMultiplier } from "../multiplier.ts";
import { exactRequantization } from "../requantization.ts";
import { weightSums } from "../weights.ts";
import { activationRange, affineOf, biasData, int8Data, quantizationOf, tensorOf } from "./context.ts";

interface WindowOptions {
  readonly padding: "SAME" | "VALID";
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight?: number;
  readonly dilationWidth?: number;
}

function windowFields(input: Tensor, output: Tensor, kernel: readonly [number, number], o: WindowOptions) {
  const [batch, inputHeight, inputWidth, inputChannels] = input.shape as [number, number, number, number];
  const [, outputHeight, outputWidth, outputChannels] = output.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth] = kernel;
  const { strideHeight, strideWidth, dilationHeight = 1, dilationWidth = 1 } = o;
  return {
    batch,
    inputHeight,
    inputWidth,
    inputChannels,
    outputHeight,
    outputWidth,
    outputChannels,
    kernelHeight,
    kernelWidth,
    strideHeight,
    strideWidth,
    dilationHeight,
    dilationWidth,
    padTop: windowExtent(o.padding, inputHeight, kernelHeight, strideHeight, dilationHeight).before,
    padLeft: windowExtent(o.padding, inputWidth, kernelWidth, strideWidth, dilationWidth).before,
  };
}

/** One for each channel, of one scale for all or one for each. */
function multipliers(from: number, scales: readonly number[], to: number, channels: number): Multiplier[] {
  const factors: Multiplier[] = [];
  for (let c = 0; c < channels; c++) {
    factors.push(quantizeMultiplier((from * scales[scales.length === 1 ? 0 : c]!) / to));
  }
  return factors;
}

/** Weights and a multiplier for each output channel: double(in) * double(w[c]) / double(out). */
function channelFields(graph: Graph, op: OperatorOf<"CONV_2D" | "DEPTHWISE_CONV_2D">, channels: number) {
  const input = affineOf(tensorOf(graph, op.inputs[0]!));
  const tensor = tensorOf(graph, op.inputs[1]!);
  const output = affineOf(tensorOf(graph, op.outputs[0]!));
  const { scales } = quantizationOf(tensor);
  const factors = multipliers(input.scale, scales, output.scale, channels);
  const weights = int8Data(tensor);
  const bias = biasData(graph, op.inputs[2], channels);
  const order = op.kind === "DEPTHWISE_CONV_2D" ? "channels last" : "channels first";
  const sums = weightSums(weights, channels, order);
  const operands = { weights, order, inputZeroPoint: input.zeroPoint } as const;
  const fields = {
    weights,
    requantization: exactRequantization(bias, factors, operands, sums),
    inputZeroPoint: input.zeroPoint,
    outputZeroPoint: output.zeroPoint,
    ...activationRange(op.options.activation, output),
  };
  return { fields, sums };
}

export function lowerConv(graph: Graph, op: OperatorOf<"CONV_2D">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const output = tensorOf(graph, op.outputs[0]!);
  const [outputChannels, kernelHeight, kernelWidth, depth] = tensorOf(graph, op.inputs[1]!).shape as [
    number,
    number,
    number,
    number,
  ];
  const refs = { input: { tensor: op.inputs[0]! }, output: { tensor: op.outputs[0]! } };
  const window = windowFields(input, output, [kernelHeight, kernelWidth], op.options);
  const { fields, sums } = channelFields(graph, op, outputChannels);
  const { inputZeroPoint, ...channels } = fields;
  const groups = window.inputChannels / depth;
  const matrix = matrixFields(channels.weights, outputChannels, groups, sums);
  const isPointwise =
    kernelHeight * kernelWidth * window.strideHeight * window.strideWidth === 1 && groups === 1;
  if (isPointwise) {
    const { batch, outputHeight, outputWidth, inputChannels } = window;
    const pixels = batch * outputHeight * outputWidth;
    if (pixels === 1) {
      // The matrix product of the chip is made for several pixels.
      const weights = interleaved(channels.weights, outputChannels);
      return [
        {
          kernel: "fully_connected_s8",
          values: {
            ...refs,
            ...channels,
            weights,
            batch,
            inputChannels,
            outputChannels,
            weightsZeroPoint: 0,
          },
        },
      ];
    }
    return [
      {
        kernel: "pointwise_s8",
        values: { ...refs, ...channels, ...matrix, pixels, inputChannels, outputChannels },
      },
    ];
  }
  return [
    { kernel: "conv_s8", values: { ...refs, ...channels, ...matrix, ...window, groups, inputZeroPoint } },
  ];
}

export function lowerDepthwise(graph: Graph, op: OperatorOf<"DEPTHWISE_CONV_2D">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const output = tensorOf(graph, op.outputs[0]!);
  const [, kernelHeight, kernelWidth, outputChannels] = tensorOf(graph, op.inputs[1]!).shape as [
    number,
    number,
    number,
    number,
  ];
  return [
    {
      kernel: "depthwise_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        ...windowFields(input, output, [kernelHeight, kernelWidth], op.options),
        ...channelFields(graph, op, outputChannels).fields,
        // Derived from the shapes: the option in the file is only a hint and may be 0.
        depthMultiplier: outputChannels / input.shape[3]!,
      },
    },
  ];
}

export function lowerPool(graph: Graph, op: OperatorOf<"AVERAGE_POOL_2D" | "MAX_POOL_2D">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const output = tensorOf(graph, op.outputs[0]!);
  const { filterHeight, filterWidth, activation } = op.options;
  return [
    {
      kernel: op.kind === "MAX_POOL_2D" ? "max_pool_s8" : "avg_pool_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        ...windowFields(input, output, [filterHeight, filterWidth], op.options),
        ...activationRange(activation, affineOf(output)),
      },
    },
  ];
}

/**
 * One scale for all weights: in * w in float32, then / out in double; a scale for each output channel: all in
 * double, as in a convolution.
 */
export function lowerFullyConnected(graph: Graph, op: OperatorOf<"FULLY_CONNECTED">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const weights = tensorOf(graph, op.inputs[1]!);
  const output = affineOf(tensorOf(graph, op.outputs[0]!));
  const [outputChannels, inputChannels] = weights.shape as [number, number];
  const { scales, zeroPoints } = quantizationOf(weights);
  const { scale, zeroPoint } = affineOf(input);
  const factors =
    scales.length > 1
      ? multipliers(scale, scales, output.scale, outputChannels)
      : [quantizeMultiplier(Math.fround(scale * scales[0]!) / output.scale)];
  const bias = biasData(graph, op.inputs[2], outputChannels);
  const elements = input.shape.reduce((product, dimension) => product * dimension, 1);
  return [
    {
      kernel: "fully_connected_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        weights: interleaved(int8Data(weights), outputChannels),
        requantization: exactRequantization(bias, factors, {
          weights: int8Data(weights),
          order: "channels first",
          inputZeroPoint: zeroPoint,
          weightsZeroPoint: zeroPoints[0]!,
        }),
        batch: elements / inputChannels,
        inputChannels,
        outputChannels,
        outputZeroPoint: output.zeroPoint,
        ...activationRange(op.options.activation, output),
        weightsZeroPoint: zeroPoints[0]!,
      },
    },
  ];
}
