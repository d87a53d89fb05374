/** What kernels of batch normalisation take after their tensors. */
type BatchNormArguments = readonly [
  rows: number,
  channels: number,
  epsilon: number,
  low: number,
  high: number,
  scratch: number,
];

/** What `assembly/train/index.ts` exports. Addresses are bytes in the backend's memory, counts are floats. */
export interface TrainingExports {
  conv(window: number, x: number, filter: number, y: number, scratch: number): void;
  convInputGradient(window: number, dy: number, filter: number, dx: number, scratch: number): void;
  convFilterGradient(window: number, x: number, dy: number, df: number, scratch: number): void;
  convScratch(window: number): number;

  /** 1 or 0: whether the 3x3 kernels do this window. */
  isDepthwise3x3(window: number): number;
  depthwise3x3(window: number, x: number, filter: number, y: number, scratch: number): void;
  depthwise3x3InputGradient(window: number, dy: number, filter: number, dx: number, scratch: number): void;
  depthwise3x3FilterGradient(window: number, x: number, dy: number, df: number, scratch: number): void;
  depthwise3x3Scratch(window: number): number;
  depthwise(window: number, x: number, filter: number, y: number): void;
  depthwiseInputGradient(window: number, dy: number, filter: number, dx: number): void;
  depthwiseFilterGradient(window: number, x: number, dy: number, df: number, scratch: number): void;
  depthwiseScratch(window: number): number;

  averagePool(window: number, x: number, y: number): void;
  averagePoolGradient(window: number, dy: number, dx: number): void;

  batchNorm(
    x: number,
    gamma: number,
    beta: number,
    y: number,
    mean: number,
    variance: number,
    ...rest: BatchNormArguments
  ): void;
  batchNormGradient(
    x: number,
    dy: number,
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    dx: number,
    dgamma: number,
    dbeta: number,
    ...rest: BatchNormArguments
  ): void;
  normalizeRows(
    x: number,
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    y: number,
    ...rest: BatchNormArguments
  ): void;
  batchNormScratch(channels: number): number;

  sumMiddle(
    x: number,
    sums: number,
    outer: number,
    middle: number,
    inner: number,
    scale: number,
    scratch: number,
  ): void;
  columnSumsScratch(inner: number): number;
  repeatMiddle(x: number, y: number, outer: number, middle: number, inner: number, scale: number): void;

  packedFloats(depth: number, columns: number): number;
  pack(packed: number, b: number, depth: number, columns: number): void;
  packTransposed(packed: number, b: number, depth: number, columns: number): void;
  multiply(a: number, packed: number, c: number, rows: number, depth: number, columns: number): void;
  /** Adds to c. */
  multiplyTransposed(a: number, b: number, c: number, rows: number, m: number, n: number): void;

  relu(x: number, y: number, count: number, limit: number): void;
  reluGradient(y: number, dy: number, dx: number, count: number, limit: number): void;
  dropout(x: number, y: number, count: number, dropBelow: number, scale: number, seed: number): void;
  adam(
    value: number,
    first: number,
    second: number,
    gradient: number,
    newValue: number,
    newFirst: number,
    newSecond: number,
    count: number,
    rate: number,
    beta1: number,
    beta2: number,
    correction2: number,
    epsilon: number,
  ): void;
}
