import type { OperatorKind } from "../graph/graph.ts";

/** Builtin operator codes of `.tflite`, by which image and file name an operator. */
export const OPERATOR_CODES: Readonly<Record<OperatorKind, number>> = {
  ADD: 0,
  AVERAGE_POOL_2D: 1,
  CONCATENATION: 2,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  DEQUANTIZE: 6,
  FULLY_CONNECTED: 9,
  LOGISTIC: 14,
  MAX_POOL_2D: 17,
  MUL: 18,
  RELU: 19,
  RELU6: 21,
  RESHAPE: 22,
  SOFTMAX: 25,
  PAD: 34,
  MEAN: 40,
  SUB: 41,
  SQUEEZE: 43,
  EXPAND_DIMS: 70,
  QUANTIZE: 114,
};
