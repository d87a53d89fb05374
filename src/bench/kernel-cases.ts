/** The layers whose kernels are timed: those of the MLPerf Tiny networks, and what pruning makes of such. */
import type { Layer } from "./layer.ts";

export interface KernelCase {
  /** Unique, as tables and filters have it: `pointwise VWW 9x256->256`. */
  readonly name: string;
  readonly layer: Layer;
  /** The loop that the layer's arithmetic is measured against. */
  readonly ceiling: "multiply" | "depthwise" | null;
  /** The name of the case that this one is set beside: the next multiple of eight, or the dense layer. */
  readonly beside?: string;
}

type Pair = readonly [number, number];

const pairName = ([a, b]: Pair) => `${a}x${b}`;

function pointwise(where: string, size: Pair, depth: number, channels: number, zeroBlocks = 0): KernelCase {
  const name = `${where} ${size[0] * size[1]}x${depth}->${channels}`;
  const layer = { kind: "CONV_2D", input: [1, ...size, depth], channels, zeroBlocks } as const;
  if (zeroBlocks === 0) return { name: `pointwise ${name}`, ceiling: "multiply", layer };
  const percent = Math.round(100 * zeroBlocks);
  return {
    name: `pointwise ${name}, ${percent} % zero blocks`,
    ceiling: "multiply",
    layer,
    beside: `pointwise ${name}`,
  };
}

function depthwise(
  where: string,
  size: Pair,
  channels: number,
  stride = 1,
  kernel: Pair = [3, 3],
): KernelCase {
  const isLine = kernel[1] === 1;
  return {
    name: `depthwise ${where} ${pairName(kernel)} s${stride} ${pairName(size)}x${channels}`,
    ceiling: "depthwise",
    layer: {
      kind: "DEPTHWISE_CONV_2D",
      input: [1, ...size, channels],
      kernel,
      stride: [stride, stride],
      padding: isLine ? "VALID" : "SAME",
    },
  };
}

function convolution(
  where: string,
  size: Pair,
  depth: number,
  channels: number,
  stride: number,
  kernel: Pair,
): KernelCase {
  return {
    name: `convolution ${where} ${pairName(kernel)} s${stride} ${pairName(size)}x${depth}->${channels}`,
    ceiling: "multiply",
    layer: { kind: "CONV_2D", input: [1, ...size, depth], channels, kernel, stride: [stride, stride] },
  };
}

function fullyConnected(where: string, depth: number, channels: number): KernelCase {
  return {
    name: `fully connected ${where} ${depth}->${channels}`,
    ceiling: "multiply",
    layer: { kind: "FULLY_CONNECTED", input: [1, depth], channels },
  };
}

function add(where: string, size: Pair, channels: number): KernelCase {
  const layer = { kind: "ADD", input: [1, ...size, channels] } as const;
  return { name: `add ${where} ${pairName(size)}x${channels}`, ceiling: null, layer };
}

function pool(
  kind: "average" | "max",
  where: string,
  size: Pair,
  channels: number,
  filter: Pair,
): KernelCase {
  return {
    name: `${kind} pool ${where} ${pairName(filter)} ${pairName(size)}x${channels}`,
    ceiling: null,
    layer: {
      kind: kind === "average" ? "AVERAGE_POOL_2D" : "MAX_POOL_2D",
      input: [1, ...size, channels],
      kernel: filter,
      stride: filter,
      padding: "VALID",
    },
  };
}

/** Widths as pruning leaves them, each beside the next multiple of eight. */
function oddWidths(): KernelCase[] {
  const widths = [13, 27, 51, 100];
  const size: Pair = [12, 12];
  return widths.flatMap((width) => {
    const next = Math.ceil(width / 8) * 8;
    const beside = (odd: KernelCase, even: KernelCase) => [{ ...odd, beside: even.name }, even];
    return [
      ...beside(pointwise("width", size, width, width), pointwise("width", size, next, next)),
      ...beside(depthwise("width", size, width), depthwise("width", size, next)),
    ];
  });
}

const ZERO_BLOCKS = [0.5, 0.75, 0.9, 0.95];

function sparse(where: string, size: Pair, depth: number, channels: number): KernelCase[] {
  return ZERO_BLOCKS.map((share) => pointwise(where, size, depth, channels, share));
}

export const KERNEL_CASES: readonly KernelCase[] = [
  pointwise("KWS", [25, 5], 64, 64),
  ...sparse("KWS", [25, 5], 64, 64),
  pointwise("VWW", [48, 48], 8, 16),
  pointwise("VWW", [24, 24], 16, 32),
  pointwise("VWW", [24, 24], 32, 32),
  pointwise("VWW", [12, 12], 32, 64),
  pointwise("VWW", [12, 12], 64, 64),
  pointwise("VWW", [6, 6], 64, 128),
  pointwise("VWW", [6, 6], 128, 128),
  ...sparse("VWW", [6, 6], 128, 128),
  pointwise("VWW", [3, 3], 128, 256),
  pointwise("VWW", [3, 3], 256, 256),
  ...sparse("VWW", [3, 3], 256, 256),
  pointwise("streaming", [28, 1], 40, 128),
  pointwise("streaming", [24, 1], 128, 128),
  pointwise("streaming", [15, 1], 128, 128),
  ...oddWidths(),
  depthwise("KWS", [25, 5], 64),
  depthwise("VWW", [48, 48], 8),
  depthwise("VWW", [48, 48], 16, 2),
  depthwise("VWW", [24, 24], 32),
  depthwise("VWW", [24, 24], 32, 2),
  depthwise("VWW", [12, 12], 64),
  depthwise("VWW", [12, 12], 64, 2),
  depthwise("VWW", [6, 6], 128),
  depthwise("VWW", [6, 6], 128, 2),
  depthwise("VWW", [3, 3], 256),
  depthwise("streaming", [30, 1], 40, 1, [3, 1]),
  depthwise("streaming", [28, 1], 128, 1, [5, 1]),
  depthwise("streaming", [24, 1], 128, 1, [10, 1]),
  depthwise("streaming", [15, 1], 128, 1, [15, 1]),
  convolution("KWS", [49, 10], 1, 64, 2, [10, 4]),
  convolution("VWW", [96, 96], 3, 8, 2, [3, 3]),
  convolution("ResNet-8", [32, 32], 3, 16, 1, [3, 3]),
  convolution("ResNet-8", [32, 32], 16, 16, 1, [3, 3]),
  convolution("ResNet-8", [32, 32], 16, 32, 2, [3, 3]),
  convolution("ResNet-8", [16, 16], 32, 32, 1, [3, 3]),
  convolution("ResNet-8", [16, 16], 32, 64, 2, [3, 3]),
  convolution("ResNet-8", [8, 8], 64, 64, 1, [3, 3]),
  convolution("ResNet-8", [32, 32], 16, 32, 2, [1, 1]),
  convolution("ResNet-8", [16, 16], 32, 64, 2, [1, 1]),
  fullyConnected("AD", 640, 128),
  fullyConnected("AD", 128, 128),
  fullyConnected("AD", 128, 8),
  fullyConnected("AD", 8, 128),
  fullyConnected("AD", 128, 640),
  fullyConnected("KWS", 64, 12),
  fullyConnected("streaming", 128, 32),
  add("ResNet-8", [32, 32], 16),
  add("ResNet-8", [16, 16], 32),
  add("ResNet-8", [8, 8], 64),
  pool("average", "KWS", [25, 5], 64, [25, 5]),
  pool("average", "VWW", [3, 3], 256, [3, 3]),
  pool("average", "ResNet-8", [8, 8], 64, [8, 8]),
  pool("average", "any", [24, 24], 32, [2, 2]),
  pool("max", "any", [24, 24], 32, [2, 2]),
];
