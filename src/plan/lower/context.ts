import { ThumbnetError } from "../../errors.ts";
import type { Activation, Graph, Quantization, Tensor } from "../../graph/graph.ts";
import { clamp, roundAway } from "../multiplier.ts";

/** The one scale and zero point of a tensor that `checkInt8` has accepted. */
export interface AffineScale {
  readonly scale: number;
  readonly zeroPoint: number;
}

export function tensorOf(graph: Graph, index: number): Tensor {
  const tensor = graph.tensors[index];
  if (!tensor) throw new ThumbnetError(`${graph.name}: no tensor ${index}`);
  return tensor;
}

export function quantizationOf(tensor: Tensor): Quantization {
  if (!tensor.quantization) throw new ThumbnetError(`tensor "${tensor.name}" has no quantisation`);
  return tensor.quantization;
}

export function affineOf(tensor: Tensor): AffineScale {
  const { scales, zeroPoints } = quantizationOf(tensor);
  return { scale: scales[0]!, zeroPoint: zeroPoints[0]! };
}

export function int8Data(tensor: Tensor): Int8Array {
  const data = constantData(tensor);
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** int32 or int64 content as numbers. */
export function integerData(tensor: Tensor): number[] {
  const data = constantData(tensor);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (tensor.dtype === "int64") {
    return Array.from({ length: data.byteLength / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }
  return Array.from({ length: data.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
}

function constantData(tensor: Tensor): Uint8Array {
  if (!tensor.data) throw new ThumbnetError(`tensor "${tensor.name}" must be constant`);
  return tensor.data;
}

/** The bias, or zeros where the model has none: kernels have one path. */
export function biasData(graph: Graph, index: number | undefined, channels: number): Int32Array {
  if (index === undefined || index < 0) return new Int32Array(channels);
  return new Int32Array(new Uint8Array(constantData(tensorOf(graph, index))).buffer);
}

export interface ClampRange {
  readonly activationMin: number;
  readonly activationMax: number;
}

/** A fused activation as limits on the int8 output: zero point + round(limit / scale), in float32. */
export function activationRange(activation: Activation, { scale, zeroPoint }: AffineScale): ClampRange {
  const quantize = (real: number) => zeroPoint + roundAway(Math.fround(real / scale));
  const limits: Record<Activation, readonly [number, number]> = {
    NONE: [-128, 127],
    RELU: [quantize(0), 127],
    RELU_N1_TO_1: [quantize(-1), quantize(1)],
    RELU6: [quantize(0), quantize(6)],
  };
  const [min, max] = limits[activation];
  return { activationMin: clamp(min, -128, 127), activationMax: clamp(max, -128, 127) };
}
