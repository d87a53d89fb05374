/** Random convolutions, fully connected layers and pools for `random-graph.ts`. */
import type { Activation, Padding, Quantization } from "../../src/graph/graph.ts";
import { elementCount, windowExtent } from "../../src/graph/shape.ts";
import type { Affine, GraphBuilder } from "./graph-builder.ts";

/** Multiply-accumulates that one operator may take: the reference is slow. */
const MAX_MACS = 150_000;

export function randomActivation(builder: GraphBuilder): Activation {
  return builder.random.weighted<Activation>([
    [5, "NONE"],
    [3, "RELU"],
    [1.5, "RELU6"],
    [1, "RELU_N1_TO_1"],
  ]);
}

function weightContent(builder: GraphBuilder, count: number): Int8Array {
  const { random } = builder;
  const value = random.weighted<() => number>([
    [6, () => random.integer(-127, 127)],
    [1.5, () => random.integer(-9, 9)],
    [1, () => (random.chance(0.7) ? 0 : random.integer(-127, 127))],
    [1, () => random.pick([-128, 127])],
    [0.4, () => -128],
  ]);
  return Int8Array.from({ length: count }, value);
}

interface Layer {
  readonly weights: number;
  readonly bias: number;
  readonly output: Affine;
  readonly activation: Activation;
}

/**
 * Weights, bias and output quantisation such that results spread over int8 (but for a few strained cases), and
 * that neither the accumulator nor its left shift overflows int32, which C leaves undefined.
 */
function layer(
  builder: GraphBuilder,
  input: number,
  weightsShape: readonly number[],
  options: {
    readonly channels: number;
    readonly axis: number;
    readonly fanIn: number;
    readonly weightsZeroPoint?: boolean;
  },
): Layer {
  const { random } = builder;
  const { channels, fanIn } = options;
  const content = weightContent(builder, elementCount(weightsShape));
  const activation = randomActivation(builder);
  const weightsDeviation = Math.sqrt(content.reduce((sum, w) => sum + w * w, 0) / content.length) || 1;
  const deviation = Math.sqrt(fanIn) * builder.deviation(input) * weightsDeviation;

  const biasSize =
    deviation *
    random.weighted([
      [5, 0.5],
      [1, 0],
      [1, 5],
      [0.5, 2000],
    ] as const);
  const biasContent = Int32Array.from({ length: channels }, () =>
    Math.round(Math.max(-1, Math.min(1, random.normal() / 2)) * Math.min(biasSize, 2 ** 29)),
  );
  const hasBias = random.chance(0.8);
  const largest =
    fanIn * 255 * 255 + (hasBias ? biasContent.reduce((most, b) => Math.max(most, Math.abs(b)), 0) : 0);

  // The largest factor of any channel is 4/3 of the typical one.
  const strain = builder.strain();
  const factor = Math.min(
    (random.integer(20, 80) / deviation) * (strain === 1 ? 1 : 1 / strain),
    2 ** 29 / largest,
  );
  const output = { scale: random.power(-8, -4), zeroPoint: builder.zeroPoint(activation) };
  const inputScale = builder.affine(input).scale;
  const scale = (factor * output.scale) / inputScale;
  const perChannel = random.chance(0.6);
  const scales = Array.from({ length: perChannel ? channels : 1 }, () =>
    Math.fround(
      scale * (2 / 3 + random.unit() * (2 / 3)) * (random.chance(0.03) ? random.power(-40, -5) : 1),
    ),
  );
  const isOne = scales.length === 1;
  const weightsZeroPoint = isOne && options.weightsZeroPoint ? random.integer(-20, 20) : 0;
  const quantization: Quantization = {
    scales,
    zeroPoints: scales.map(() => weightsZeroPoint),
    axis: isOne ? 0 : options.axis,
  };
  const weights = builder.constant("weights", weightsShape, content, quantization);
  if (!hasBias) return { weights, bias: -1, output, activation };
  const bias = builder.constant("bias", [channels], biasContent, {
    scales: scales.map((weightsScale) => Math.fround(inputScale * weightsScale)),
    zeroPoints: scales.map(() => 0),
    axis: 0,
  });
  return { weights, bias, output, activation };
}

interface Geometry {
  readonly padding: Padding;
  readonly kernel: readonly [height: number, width: number];
  readonly stride: readonly [height: number, width: number];
  readonly dilation: readonly [height: number, width: number];
  readonly output: readonly [height: number, width: number];
}

/** A window that fits a map; dilation only with stride 1. */
function geometry(builder: GraphBuilder, height: number, width: number, mayDilate: boolean): Geometry {
  const { random } = builder;
  const padding = random.pick<Padding>(["SAME", "VALID"]);
  const square = random.chance(0.5);
  const side = () =>
    random.weighted([
      [3, 1],
      [1, 2],
      [4, 3],
      [1, 4],
      [1, 5],
      [0.5, 7],
    ] as const);
  const wanted = side();
  const step = random.weighted([
    [5, 1],
    [3, 2],
    [1, 3],
    [0.7, 4],
  ] as const);
  const dilated = mayDilate && random.chance(0.2);
  const along = (size: number) => {
    const stride = dilated ? 1 : square ? step : random.pick([step, random.integer(1, 4)]);
    const spread = dilated ? random.integer(1, 3) : 1;
    let kernel: number = square ? wanted : side();
    if (padding === "VALID") kernel = Math.min(kernel, Math.floor((size - 1) / spread) + 1);
    if (random.chance(0.08)) kernel = spread === 1 ? size : kernel;
    return {
      kernel,
      stride,
      dilation: spread,
      output: windowExtent(padding, size, kernel, stride, spread).output,
    };
  };
  const vertical = along(height);
  const horizontal = along(width);
  return {
    padding,
    kernel: [vertical.kernel, horizontal.kernel],
    stride: [vertical.stride, horizontal.stride],
    dilation: [vertical.dilation, horizontal.dilation],
    output: [vertical.output, horizontal.output],
  };
}

const windowOptions = ({ padding, stride, dilation }: Geometry) => ({
  padding,
  strideHeight: stride[0],
  strideWidth: stride[1],
  dilationHeight: dilation[0],
  dilationWidth: dilation[1],
});

export function addConvolution(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const [batches, height, width, inputChannels] = builder.shape(input) as [number, number, number, number];
  const window = geometry(builder, height, width, true);
  const divisors = Array.from({ length: inputChannels }, (_, i) => i + 1).filter(
    (g) => inputChannels % g === 0,
  );
  const groups = random.chance(0.25) ? random.pick(divisors) : 1;
  const pixels = batches * window.output[0] * window.output[1];
  const fanIn = window.kernel[0] * window.kernel[1] * (inputChannels / groups);
  const most = Math.min(builder.maxElements / pixels, MAX_MACS / (pixels * fanIn));
  const channels = Math.max(1, Math.floor(builder.channels(Math.floor(most)) / groups)) * groups;
  const shape = [channels, ...window.kernel, inputChannels / groups];
  const { weights, bias, output, activation } = layer(builder, input, shape, { channels, axis: 0, fanIn });
  return builder.operator(
    "CONV_2D",
    [input, weights, bias],
    { ...windowOptions(window), activation },
    { shape: [batches, ...window.output, channels], affine: output },
  );
}

export function addDepthwise(builder: GraphBuilder, input: number): number {
  const { random } = builder;
  const [batches, height, width, inputChannels] = builder.shape(input) as [number, number, number, number];
  const window = geometry(builder, height, width, true);
  const most = Math.floor(
    builder.maxElements / (batches * window.output[0] * window.output[1] * inputChannels),
  );
  const wanted = random.weighted([
    [5, 1],
    [1, 2],
    [1, 3],
    [0.5, 5],
    [0.5, random.integer(1, 12)],
  ] as const);
  const depthMultiplier = Math.max(1, Math.min(wanted, most, Math.floor(64 / inputChannels)));
  const channels = inputChannels * depthMultiplier;
  const fanIn = window.kernel[0] * window.kernel[1];
  const shape = [1, ...window.kernel, channels];
  const { weights, bias, output, activation } = layer(builder, input, shape, { channels, axis: 3, fanIn });
  return builder.operator(
    "DEPTHWISE_CONV_2D",
    [input, weights, bias],
    { ...windowOptions(window), activation, depthMultiplier },
    { shape: [batches, ...window.output, channels], affine: output },
  );
}

/** @param classes gives one row of so many, from all of the input */
export function addFullyConnected(builder: GraphBuilder, input: number, classes?: number): number {
  const { random } = builder;
  const shape = builder.shape(input);
  const last = shape.at(-1)!;
  const keepNumDims = classes === undefined && random.chance(0.3);
  // Either the last dimension alone, or everything but the batch.
  const flat = !keepNumDims && shape.length > 1 && random.chance(0.6);
  const fanIn = classes !== undefined ? elementCount(shape) : flat ? elementCount(shape) / shape[0]! : last;
  const rows = elementCount(shape) / fanIn;
  const most = Math.min(builder.maxElements / rows, MAX_MACS / (rows * fanIn));
  const channels = classes ?? builder.channels(Math.floor(most));
  const { weights, bias, output, activation } = layer(builder, input, [channels, fanIn], {
    channels,
    axis: 0,
    fanIn,
    weightsZeroPoint: random.chance(0.1),
  });
  return builder.operator(
    "FULLY_CONNECTED",
    [input, weights, bias],
    { activation, keepNumDims },
    { shape: keepNumDims ? [...shape.slice(0, -1), channels] : [rows, channels], affine: output },
  );
}

export function addPool(
  builder: GraphBuilder,
  input: number,
  kind: "AVERAGE_POOL_2D" | "MAX_POOL_2D",
): number {
  const [batches, height, width, channels] = builder.shape(input) as [number, number, number, number];
  const window = geometry(builder, height, width, false);
  const whole = builder.random.chance(0.25);
  const padding = whole ? "VALID" : window.padding;
  const [filterHeight, filterWidth] = whole ? [height, width] : window.kernel;
  return builder.operator(
    kind,
    [input],
    {
      padding,
      strideHeight: window.stride[0],
      strideWidth: window.stride[1],
      filterHeight,
      filterWidth,
      activation: randomActivation(builder),
    },
    { shape: [batches, ...(whole ? [1, 1] : window.output), channels], affine: builder.affine(input) },
  );
}
