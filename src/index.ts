export { ThumbnetError } from "./errors.ts";
export type { OperatorKind } from "./graph/graph.ts";
export type { ExitThreshold } from "./plan/thresholds.ts";
export { type Engine, supportsSimd } from "./runtime/engine.ts";
export type { Answer, ExitInfo, RunOptions, TraceExit } from "./runtime/exits.ts";
export { type LoadOptions, loadModel } from "./runtime/load.ts";
export type {
  Model,
  ProfileEntry,
  ProfileOptions,
  RequantizationForms,
  TraceEntry,
  TraceOptions,
} from "./runtime/model.ts";
export type { ModelSource } from "./runtime/source.ts";
export { dequantize, type InputData, type OutputData, quantize, type TensorInfo } from "./runtime/tensors.ts";
