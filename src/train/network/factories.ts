/** The networks that thumbnet knows by name. */
import { ThumbnetError } from "../../errors.ts";
import type { Padding } from "../../graph/graph.ts";
import type { Layer, NetworkDescription } from "./description.ts";

type Pair = readonly [number, number];

const bnRelu = (name: string): Layer[] => [
  { kind: "batchNorm", name: `${name}/bn` },
  { kind: "relu", name: `${name}/relu` },
];

/** Convolution, batch normalisation, ReLU: `<name>`, `<name>/bn`, `<name>/relu`. */
export function convUnit(name: string, filters: number, kernel: Pair, stride: Pair): Layer[] {
  return [{ kind: "conv", name, filters, kernel, stride, padding: "SAME", bias: false }, ...bnRelu(name)];
}

/** Depthwise 3x3 and pointwise, each with batch normalisation and ReLU: `<name>/depthwise…`, `<name>/pointwise…`. */
export function separableUnit(name: string, filters: number, stride = 1, padding: Padding = "SAME"): Layer[] {
  const [depthwise, pointwise] = [`${name}/depthwise`, `${name}/pointwise`];
  return [
    {
      kind: "depthwise",
      name: depthwise,
      kernel: [3, 3],
      stride: [stride, stride],
      padding,
      bias: false,
    },
    ...bnRelu(depthwise),
    { kind: "pointwise", name: pointwise, filters, bias: false },
    ...bnRelu(pointwise),
  ];
}

/** Global average pool and dense layer, with dropout before the pool when `dropout` > 0. */
export function classifier(classes: number, dropout: number): Layer[] {
  return [
    ...(dropout > 0 ? [{ kind: "dropout", name: "dropout", rate: dropout } as const] : []),
    { kind: "globalAveragePool", name: "pool" },
    { kind: "dense", name: "dense", units: classes, bias: true },
  ];
}

export interface DscnnOptions {
  /** Default: 64. */
  readonly filters?: number;
  /** Separable blocks; default: 4. */
  readonly blocks?: number;
  /** Default: 12. */
  readonly classes?: number;
  /** Default: MFCCs of a second, [49,10,1]. */
  readonly inputShape?: readonly [number, number, number];
  /** Before the pool; default: 0.1. */
  readonly dropout?: number;
}

/**
 * DS-CNN of MLPerf Tiny's keyword spotting (Zhang et al. 2017, "Hello Edge"): convolution 10x4 with stride 2,
 * then blocks of depthwise 3x3 and pointwise, named block1 to block4.
 */
export function dscnn(options: DscnnOptions = {}): NetworkDescription {
  const { filters = 64, blocks = 4, classes = 12, inputShape = [49, 10, 1], dropout = 0.1 } = options;
  return {
    name: `dscnn-${filters}x${blocks}`,
    inputShape,
    layers: [
      ...convUnit("conv1", filters, [10, 4], [2, 2]),
      ...Array.from({ length: blocks }, (_, i) => separableUnit(`block${i + 1}`, filters)).flat(),
      ...classifier(classes, dropout),
    ],
  };
}

/** Pointwise channels at alpha 1 and strides of MobileNetV1's thirteen blocks (Howard et al. 2017). */
const MOBILENET_BLOCKS: readonly Pair[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];

export interface MobilenetOptions {
  /** Width: channels are multiplied by it and rounded down; default: 0.25. */
  readonly alpha?: number;
  /** Default: 2. */
  readonly classes?: number;
  /** Height and width of the RGB input; default: 96. */
  readonly size?: number;
  /** Before the pool; default: 0. */
  readonly dropout?: number;
}

/** MobileNetV1, as MLPerf Tiny's visual wake words have it: convolution 3x3 with stride 2, block1 to block13. */
export function mobilenetV1(options: MobilenetOptions = {}): NetworkDescription {
  const { alpha = 0.25, classes = 2, size = 96, dropout = 0 } = options;
  const width = (channels: number) => Math.max(1, Math.floor(channels * alpha));
  return {
    name: `mobilenetv1-${alpha}`,
    inputShape: [size, size, 3],
    layers: [
      ...convUnit("conv1", width(32), [3, 3], [2, 2]),
      ...MOBILENET_BLOCKS.flatMap(([channels, stride], i) =>
        separableUnit(`block${i + 1}`, width(channels), stride),
      ),
      ...classifier(classes, dropout),
    ],
  };
}

export interface ResnetOptions {
  /** Default: 10. */
  readonly classes?: number;
  /** Channels of the first stage, which double twice; default: 16. */
  readonly filters?: number;
  /** Height and width of the RGB input; default: 32. */
  readonly size?: number;
}

/** One residual stage: two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where shapes change. */
function residualUnit(name: string, from: string, filters: number, stride: number): Layer[] {
  const conv = (part: string, size: number, step: number, input?: string): Layer => ({
    kind: "conv",
    name: `${name}/${part}`,
    filters,
    kernel: [size, size],
    stride: [step, step],
    padding: "SAME",
    bias: part === "shortcut",
    ...(input === undefined ? {} : { input }),
  });
  const shortcut = stride === 1 ? from : `${name}/shortcut`;
  return [
    conv("conv1", 3, stride, from),
    ...bnRelu(`${name}/conv1`),
    conv("conv2", 3, 1),
    { kind: "batchNorm", name: `${name}/conv2/bn` },
    ...(stride === 1 ? [] : [conv("shortcut", 1, stride, from)]),
    { kind: "add", name: `${name}/add`, input: `${name}/conv2/bn`, other: shortcut },
    { kind: "relu", name: `${name}/relu` },
  ];
}

/** ResNet-8 of MLPerf Tiny's image classification: a convolution and three residual stages. */
export function resnet8(options: ResnetOptions = {}): NetworkDescription {
  const { classes = 10, filters = 16, size = 32 } = options;
  return {
    name: filters === 16 ? "resnet8" : `resnet8-${filters}`,
    inputShape: [size, size, 3],
    layers: [
      ...convUnit("conv1", filters, [3, 3], [1, 1]),
      ...residualUnit("stage1", "conv1/relu", filters, 1),
      ...residualUnit("stage2", "stage1/relu", 2 * filters, 2),
      ...residualUnit("stage3", "stage2/relu", 4 * filters, 2),
      ...classifier(classes, 0),
    ],
  };
}

/** The networks that the command line knows. */
export const NETWORKS: Readonly<
  Record<string, (width: number | undefined, classes: number) => NetworkDescription>
> = {
  dscnn: (width, classes) => dscnn({ classes, ...(width === undefined ? {} : { filters: width }) }),
  mobilenetv1: (width, classes) => mobilenetV1({ classes, ...(width === undefined ? {} : { alpha: width }) }),
  resnet8: (width, classes) => resnet8({ classes, ...(width === undefined ? {} : { filters: width }) }),
};

/** @throws ThumbnetError listing what there is */
export function namedNetwork(name: string, width: number | undefined, classes: number): NetworkDescription {
  const create = Object.hasOwn(NETWORKS, name) ? NETWORKS[name] : undefined;
  if (create === undefined) {
    throw new ThumbnetError(`no network "${name}"; there are: ${Object.keys(NETWORKS).join(", ")}`);
  }
  return create(width, classes);
}
