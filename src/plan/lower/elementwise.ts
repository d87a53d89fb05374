import { ThumbnetError } from "../../errors.ts";
import type { Graph, OperatorOf } from "../../graph/graph.ts";
import { elementCount } from "../../graph/shape.ts";
import type { KernelCall } from "../kernel-call.ts";
import { ADD_LEFT_SHIFT, NO_LINEAR_SUM } from "../linear-sum.ts";
import { normalize, quantizeMultiplier } from "../multiplier.ts";
import { activationRange, affineOf, tensorOf } from "./context.ts";
import { dimensionFields, mergeDimensions } from "./dimensions.ts";

type Binary = OperatorOf<"ADD" | "SUB" | "MUL">;

function binaryFields(graph: Graph, op: Binary) {
  const [a, b] = op.inputs.map((index) => tensorOf(graph, index));
  const output = tensorOf(graph, op.outputs[0]!);
  const broadcasts = [a!, b!].map(({ shape }) => {
    const padded = [...Array<number>(output.shape.length - shape.length).fill(1), ...shape];
    return padded.map((dimension, d) => dimension === 1 && output.shape[d] !== 1);
  });
  const { dimensions, masks } = mergeDimensions(output.shape, broadcasts);
  const out = affineOf(output);
  return {
    input: { tensor: op.inputs[0]! },
    input2: { tensor: op.inputs[1]! },
    output: { tensor: op.outputs[0]! },
    ...dimensionFields(dimensions),
    broadcast1: masks[0]!,
    broadcast2: masks[1]!,
    inputZeroPoint: affineOf(a!).zeroPoint,
    input2ZeroPoint: affineOf(b!).zeroPoint,
    outputZeroPoint: out.zeroPoint,
    ...activationRange(op.options.activation, out),
  };
}

/**
 * Both inputs are rescaled to twice the larger input scale, added or subtracted, and rescaled to the output's.
 * tflite-micro derives the factors in double for ADD, in float32 for SUB.
 */
export function lowerAdd(graph: Graph, op: OperatorOf<"ADD" | "SUB">): KernelCall[] {
  const [a, b] = op.inputs.map((index) => affineOf(tensorOf(graph, index)).scale);
  const output = affineOf(tensorOf(graph, op.outputs[0]!)).scale;
  const round = op.kind === "SUB" ? Math.fround : (factor: number) => factor;
  const common = 2 * Math.max(a!, b!);
  const m1 = quantizeMultiplier(round(a! / common));
  const m2 = quantizeMultiplier(round(b! / common));
  const out = quantizeMultiplier(round(common / (2 ** ADD_LEFT_SHIFT * output)));
  if (out.shift > 0) {
    throw new ThumbnetError(
      `${op.kind}: the output scale ${output} is too small for input scales ${a} and ${b}`,
    );
  }
  return [
    {
      kernel: "add_s8",
      values: {
        ...binaryFields(graph, op),
        subtract: Number(op.kind === "SUB"),
        ...NO_LINEAR_SUM,
        multiplier1: m1.multiplier,
        shift1: m1.shift,
        multiplier2: m2.multiplier,
        shift2: m2.shift,
        outputMultiplier: out.multiplier,
        outputShift: out.shift,
      },
    },
  ];
}

export function lowerMul(graph: Graph, op: OperatorOf<"MUL">): KernelCall[] {
  const [a, b] = op.inputs.map((index) => affineOf(tensorOf(graph, index)).scale);
  const output = affineOf(tensorOf(graph, op.outputs[0]!)).scale;
  const { multiplier, shift } = quantizeMultiplier((a! * b!) / output);
  return [
    {
      kernel: "mul_s8",
      values: { ...binaryFields(graph, op), outputMultiplier: multiplier, outputShift: shift },
    },
  ];
}

/** Bits of softmax's fixed-point input before the binary point. */
const SOFTMAX_INTEGER_BITS = 5;

/** Softmax over the last dimension; the input is rescaled by beta into Q5.26. */
export function lowerSoftmax(graph: Graph, op: OperatorOf<"SOFTMAX">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const real = Math.min(
    op.options.beta * affineOf(input).scale * 2 ** (31 - SOFTMAX_INTEGER_BITS),
    2 ** 31 - 1,
  );
  if (real <= 1) {
    throw new ThumbnetError(
      `beta * scale is ${op.options.beta * affineOf(input).scale}, too small for fixed point`,
    );
  }
  const { multiplier, shift } = normalize(real);
  const depth = input.shape.at(-1) ?? 1;
  // The distance to the row's maximum past which exp() is nothing: what still fits the integer bits.
  const radius = Math.floor(
    ((2 ** SOFTMAX_INTEGER_BITS - 1) * 2 ** (31 - SOFTMAX_INTEGER_BITS)) / 2 ** shift,
  );
  return [
    {
      kernel: "softmax_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        rows: elementCount(input.shape) / depth,
        depth,
        multiplier,
        leftShift: shift,
        diffMin: -radius,
      },
    },
  ];
}
