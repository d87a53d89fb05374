/** From the scales and zero points of tensors to the integers that the kernels take: docs/arithmetic.md again. */
import type { Activation, Quantization, Tensor } from "../../src/graph/graph.ts";
import { windowExtent } from "../../src/graph/shape.ts";
import { quantizeMultiplier, roundAway } from "./arithmetic.ts";
import type { ActivationRange, Requantization } from "./windows.ts";

/** Scale and zero point of a tensor that has one of each. */
export function scaleOf(tensor: Tensor): { scale: number; zeroPoint: number } {
  const { scales, zeroPoints } = quantizationOf(tensor);
  if (scales.length !== 1) throw new Error(`tensor "${tensor.name}" has ${scales.length} scales, not one`);
  return { scale: scales[0]!, zeroPoint: zeroPoints[0]! };
}

export function quantizationOf(tensor: Tensor): Quantization {
  if (tensor.quantization === null) throw new Error(`tensor "${tensor.name}" is not quantised`);
  return tensor.quantization;
}

/** int8 limits of a fused activation, in units of the output. The division is float32's. */
export function activationRange(activation: Activation, output: Tensor): ActivationRange {
  const { scale, zeroPoint } = scaleOf(output);
  const quantized = (limit: number) => zeroPoint + roundAway(Math.fround(limit / scale));
  switch (activation) {
    case "NONE":
      return { activationMin: -128, activationMax: 127 };
    case "RELU":
      return { activationMin: zeroPoint, activationMax: 127 };
    case "RELU6":
      return { activationMin: zeroPoint, activationMax: Math.min(127, quantized(6)) };
    case "RELU_N1_TO_1":
      return { activationMin: Math.max(-128, quantized(-1)), activationMax: Math.min(127, quantized(1)) };
  }
}

/** For operators that take input units to output units: multiplier(S_x / S_o). */
export function rescaling(input: Tensor, output: Tensor) {
  const from = scaleOf(input);
  const to = scaleOf(output);
  return {
    inputZeroPoint: from.zeroPoint,
    outputZeroPoint: to.zeroPoint,
    ...quantizeMultiplier(from.scale / to.scale),
  };
}

export function windowSizes(
  shape: readonly number[],
  window: {
    readonly padding: "SAME" | "VALID";
    readonly kernelHeight: number;
    readonly kernelWidth: number;
    readonly strideHeight: number;
    readonly strideWidth: number;
    readonly dilationHeight: number;
    readonly dilationWidth: number;
  },
) {
  const [batches, inputHeight, inputWidth] = shape as [number, number, number];
  const { kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = window;
  const vertical = windowExtent(window.padding, inputHeight, kernelHeight, strideHeight, dilationHeight);
  const horizontal = windowExtent(window.padding, inputWidth, kernelWidth, strideWidth, dilationWidth);
  return {
    batches,
    inputHeight,
    inputWidth,
    outputHeight: vertical.output,
    outputWidth: horizontal.output,
    kernelHeight,
    kernelWidth,
    strideHeight,
    strideWidth,
    dilationHeight,
    dilationWidth,
    padTop: vertical.before,
    padLeft: horizontal.before,
  };
}

/** Factors of accumulators, real = factor * units of the output. */
export function requantization(
  factors: readonly number[],
  input: Tensor,
  output: Tensor,
  activation: Activation,
): Requantization {
  const quantized = factors.map(quantizeMultiplier);
  return {
    inputZeroPoint: scaleOf(input).zeroPoint,
    outputZeroPoint: scaleOf(output).zeroPoint,
    multipliers: Int32Array.from(quantized, ({ multiplier }) => multiplier),
    shifts: Int32Array.from(quantized, ({ shift }) => shift),
    ...activationRange(activation, output),
  };
}

/** Factors of ADD (float64) and SUB (float32): of both operands to a common scale, and of that to the output. */
export function sumFactors(kind: "ADD" | "SUB", scale1: number, scale2: number, outputScale: number) {
  const round = kind === "SUB" ? Math.fround : (value: number) => value;
  const twiceLarger = 2 * Math.max(scale1, scale2);
  const factors = [scale1 / twiceLarger, scale2 / twiceLarger, twiceLarger / (2 ** 20 * outputScale)].map(
    round,
  );
  if (factors.some((factor) => factor >= 1))
    throw new RangeError(`${kind}: factors ${factors} must be below 1`);
  const [input1, input2, result] = factors.map(quantizeMultiplier);
  return {
    leftShift: 20,
    input1Multiplier: input1!.multiplier,
    input1Shift: input1!.shift,
    input2Multiplier: input2!.multiplier,
    input2Shift: input2!.shift,
    outputMultiplier: result!.multiplier,
    outputShift: result!.shift,
  };
}
