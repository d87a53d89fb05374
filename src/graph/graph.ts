/**
 * The typed graph: what the rest of thumbnet works on, whatever file it came from.
 *
 * Tensors are NHWC; weights are OHWI (depthwise 1HWC, fully connected [out, in]), as in a `.tflite`.
 */

/** Element types that a graph can name. Only `int8` tensors (and `uint8` at the edges) can be computed with. */
export type DType =
  | "int8"
  | "uint8"
  | "int16"
  | "int32"
  | "int64"
  | "float16"
  | "float32"
  | "float64"
  | "bool";

/** Affine quantisation, real = scale * (q - zeroPoint): one pair, or one for each index along `axis`. */
export interface Quantization {
  /** One scale, or `shape[axis]` of them. Each is an exact float32 value, finite and > 0. */
  readonly scales: readonly number[];
  /** As many as `scales`. */
  readonly zeroPoints: readonly number[];
  /** The dimension that per-channel scales run along; 0 when there is one scale. */
  readonly axis: number;
}

export interface Tensor {
  readonly name: string;
  /** Every dimension >= 1; a dynamic batch has become 1. A scalar has shape []. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly quantization: Quantization | null;
  /** Constant content, little-endian, exactly `elements * bytes per element`; null for an activation. */
  readonly data: Uint8Array | null;
}

export type Padding = "SAME" | "VALID";
export type Activation = "NONE" | "RELU" | "RELU_N1_TO_1" | "RELU6";

interface Window {
  readonly padding: Padding;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly activation: Activation;
}

interface Dilation {
  readonly dilationHeight: number;
  readonly dilationWidth: number;
}

interface Filter {
  readonly filterHeight: number;
  readonly filterWidth: number;
}

/** Operator kinds and their options. Kinds have the names of `.tflite`'s builtin operators. */
export interface OperatorOptions {
  /** Inputs: x [N,H,W,C], weights [O,KH,KW,C/groups], bias [O] or -1. */
  CONV_2D: Window & Dilation;
  /** Inputs: x [N,H,W,C], weights [1,KH,KW,C*depthMultiplier], bias or -1. */
  DEPTHWISE_CONV_2D: Window & Dilation & { readonly depthMultiplier: number };
  /** Inputs: x (any shape, last dimensions flattened to the input depth), weights [O,I], bias [O] or -1. */
  FULLY_CONNECTED: { readonly activation: Activation; readonly keepNumDims: boolean };
  AVERAGE_POOL_2D: Window & Filter;
  MAX_POOL_2D: Window & Filter;
  /** Inputs: a, b; the shapes broadcast. */
  ADD: { readonly activation: Activation };
  SUB: { readonly activation: Activation };
  MUL: { readonly activation: Activation };
  /** Inputs: x, paddings (constant int32 or int64 [rank, 2]). */
  PAD: Record<never, never>;
  /** Inputs: x, axes (constant int32, scalar or [n]). */
  MEAN: { readonly keepDims: boolean };
  CONCATENATION: { readonly axis: number; readonly activation: Activation };
  /** The output's shape is that of the output tensor; a second (shape) input is ignored. */
  RESHAPE: Record<never, never>;
  SQUEEZE: Record<never, never>;
  EXPAND_DIMS: Record<never, never>;
  SOFTMAX: { readonly beta: number };
  LOGISTIC: Record<never, never>;
  RELU: Record<never, never>;
  RELU6: Record<never, never>;
  QUANTIZE: Record<never, never>;
  DEQUANTIZE: Record<never, never>;
}

export type OperatorKind = keyof OperatorOptions;

export type OperatorOf<K extends OperatorKind> = {
  readonly kind: K;
  /** Indices into `Graph.tensors`; -1 where an optional input (a bias) is absent. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: OperatorOptions[K];
};

export type Operator = { [K in OperatorKind]: OperatorOf<K> }[OperatorKind];

/** How confident an exit is: by its largest probability, or by how far the second largest lies below it. */
export const EXIT_CRITERIA = ["top", "margin"] as const;
export type ExitCriterion = (typeof EXIT_CRITERIA)[number];

/**
 * An output that answers in place of the last one where it is confident: what comes behind it is not computed then. Its
 * tensor holds the probabilities of the classes, [1, …, classes], as the final output does.
 */
export interface Exit {
  /** Index into `Graph.tensors`; also in `Graph.outputs`. */
  readonly tensor: number;
  readonly criterion: ExitCriterion;
  /**
   * The least confidence at which it answers: one, or one for each class, that of the class with the largest
   * probability. Each in (0, 1]; 1 is never reached.
   */
  readonly thresholds: readonly number[];
}

export interface Graph {
  /** What error messages call the model: usually its file name. */
  readonly name: string;
  readonly tensors: readonly Tensor[];
  /** In execution order. */
  readonly operators: readonly Operator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Early exits in the order in which they are decided; absent or empty: none. One output is no exit, the final one. */
  readonly exits?: readonly Exit[];
}
