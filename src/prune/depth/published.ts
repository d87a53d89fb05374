/**
 * Published points of depth pruning with auxiliary networks (De Leon, Atienza, ICASSP 2022, arXiv 2204.10546), head
 * `dscnn32_16`. Parameters as Keras counts them and MACs are computed from the model definitions; accuracies are the
 * paper's, those of the board (RP2040, int8) are read off its figures: +-0.1 %, +-1 KB, +-3 ms.
 */

export const PUBLISHED_SOURCE =
  "De Leon, Atienza: Depth Pruning with Auxiliary Networks for TinyML, ICASSP 2022";

export interface PublishedPoint {
  readonly cut: string;
  readonly kerasParameters: number;
  readonly macs: number;
  /** Validation accuracy, float; null where it is not given. */
  readonly frozen: number | null;
  readonly unfrozen: number | null;
  /** On the board in int8: size of the .tflite in KB (1000 bytes), time in ms, accuracy. */
  readonly board: { readonly kilobytes: number; readonly milliseconds: number; readonly accuracy: number };
}

export interface PublishedSet {
  readonly network: string;
  /** [height, width, channels] of the network's input: which set a network of ours stands beside. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  readonly whole: {
    readonly kerasParameters: number;
    readonly macs: number;
    readonly accuracy: number;
    readonly board: PublishedPoint["board"];
  };
  readonly cuts: readonly PublishedPoint[];
}

type Row = readonly [
  cut: string,
  kerasParameters: number,
  macs: number,
  frozen: number,
  unfrozen: number,
  kilobytes: number,
  milliseconds: number,
  boardAccuracy: number,
];

const point = ([cut, kerasParameters, macs, frozen, unfrozen, ...board]: Row): PublishedPoint => ({
  cut,
  kerasParameters,
  macs,
  frozen: frozen / 100,
  unfrozen: unfrozen / 100,
  board: { kilobytes: board[0], milliseconds: board[1], accuracy: board[2] / 100 },
});

const VWW: readonly Row[] = [
  ["conv1", 1_858, 3_096_608, 75.7, 76.6, 12, 658, 70.1],
  ["block1", 2_546, 4_313_120, 78.2, 78.6, 16, 875, 71.9],
  ["block2", 4_178, 2_552_864, 80.9, 82.2, 21, 477, 74.9],
  ["block4", 10_098, 2_921_504, 84.0, 85.1, 37, 487, 77.1],
  ["block5", 15_410, 3_594_272, 84.9, 86.1, 49, 567, 77.4],
  ["block6", 28_082, 3_634_592, 85.7, 86.8, 71, 549, 81.1],
  ["block8", 65_714, 4_897_184, 86.2, 86.6, 129, 667, 82.0],
  ["block13", 234_290, 7_590_848, 86.0, 86.8, 364, 916, 81.3],
];

const KWS: readonly Row[] = [
  ["conv1", 7_228, 748_192, 92.66, 93.74, 21, 147, 88.1],
  ["block1", 12_540, 1_332_192, 93.69, 94.91, 32, 212, 89.7],
  ["block2", 17_852, 1_916_192, 94.66, 95.88, 43, 275, 90.8],
  ["block3", 23_164, 2_500_192, 95.59, 96.1, 55, 341, 92.2],
];

export const PUBLISHED: readonly PublishedSet[] = [
  {
    network: "MobileNetV1 0.25, visual wake words",
    inputShape: [96, 96, 3],
    classes: 2,
    whole: {
      kerasParameters: 221_794,
      macs: 7_489_664,
      accuracy: 0.8558,
      board: { kilobytes: 336, milliseconds: 904, accuracy: 0.8 },
    },
    cuts: VWW.map(point),
  },
  {
    network: "DS-CNN, keyword spotting",
    inputShape: [49, 10, 1],
    classes: 12,
    whole: {
      kerasParameters: 24_908,
      macs: 2_656_768,
      accuracy: 0.9572,
      board: { kilobytes: 54, milliseconds: 340, accuracy: 0.9275 },
    },
    cuts: KWS.map(point),
  },
];
