import type { DType, Graph, OperatorKind, Quantization, Tensor } from "../graph.ts";
import { bytesPerElement, elementCount, formatShape } from "../shape.ts";
import { findExitProblems } from "./exits.ts";
import { operatorLabel, Problems, tensorLabel } from "./problems.ts";

const MAX_RANK = 8;
const MAX_TENSOR_BYTES = 2 ** 28;

/** Fewest and most inputs, where not one. */
const INPUT_COUNTS: { readonly [K in OperatorKind]?: readonly [number, number] } = {
  CONV_2D: [3, 3],
  DEPTHWISE_CONV_2D: [3, 3],
  FULLY_CONNECTED: [3, 3],
  ADD: [2, 2],
  SUB: [2, 2],
  MUL: [2, 2],
  PAD: [2, 2],
  MEAN: [2, 2],
  CONCATENATION: [1, Number.POSITIVE_INFINITY],
  RESHAPE: [1, 2],
  EXPAND_DIMS: [2, 2],
};

/** Which input may be -1: the bias. */
export function optionalInput(kind: OperatorKind): number {
  return INPUT_COUNTS[kind]?.[0] === 3 ? 2 : -1;
}

/** Least and greatest zero point of the types that are quantised. */
const ZERO_POINTS: { readonly [T in DType]?: readonly [number, number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

function quantizationProblem(tensor: Tensor, { scales, zeroPoints, axis }: Quantization): string | null {
  const range = ZERO_POINTS[tensor.dtype];
  if (range === undefined) return `is ${tensor.dtype} and has scales; supported: only integers have them`;
  const channels = tensor.shape[axis];
  if (scales.length !== 1 && scales.length !== channels) {
    const wanted = channels === undefined ? "" : ` or the ${channels} of dimension ${axis}`;
    return `has ${scales.length} scales along dimension ${axis} of ${formatShape(tensor.shape)}; supported: one${wanted}`;
  }
  if (zeroPoints.length !== scales.length) {
    return `has ${scales.length} scales but ${zeroPoints.length} zero points`;
  }
  for (let i = 0; i < scales.length; i++) {
    const scale = scales[i]!;
    if (!(scale > 0 && scale < Number.POSITIVE_INFINITY && Math.fround(scale) === scale))
      return `has the scale ${scale}; supported: float32 values that are finite and > 0`;
  }
  const [low, high] = range;
  for (let i = 0; i < zeroPoints.length; i++) {
    const value = zeroPoints[i]!;
    if (!(Number.isInteger(value) && value >= low && value <= high))
      return `has the zero point ${value}; supported for ${tensor.dtype}: ${low} to ${high}`;
  }
  return null;
}

function tensorProblem(tensor: Tensor): string | null {
  const { shape, dtype, data, quantization } = tensor;
  if (shape.length > MAX_RANK) return `has ${shape.length} dimensions; supported: up to ${MAX_RANK}`;
  if (!shape.every((dimension) => Number.isInteger(dimension) && dimension >= 1)) {
    return `has the shape ${formatShape(shape)}; supported: dimensions of 1 and more`;
  }
  const bytes = elementCount(shape) * bytesPerElement(dtype);
  if (bytes > MAX_TENSOR_BYTES) {
    return `${formatShape(shape)} of ${dtype} is too large; supported: up to ${MAX_TENSOR_BYTES} bytes`;
  }
  if (data !== null && data.length !== bytes) {
    return `holds ${data.length} bytes, but ${formatShape(shape)} of ${dtype} takes ${bytes}`;
  }
  return quantization && quantizationProblem(tensor, quantization);
}

/**
 * Checks what every graph must satisfy, whatever its element types: sound tensors (shapes, data lengths,
 * quantisation), indices in range, the right number of inputs and outputs, each tensor written once and before
 * it is read, exits that are outputs of the final one's shape. The shape rules of operators are `checkInt8`'s.
 *
 * @throws ThumbnetError listing all that is wrong
 */
export function checkGraph(graph: Graph): void {
  const problems = new Problems();
  const { tensors, operators } = graph;
  for (const [i, tensor] of tensors.entries()) {
    const problem = tensorProblem(tensor);
    if (problem !== null) problems.add(tensorLabel(graph, i), problem);
  }

  const known = (index: number) => Number.isInteger(index) && index >= 0 && index < tensors.length;
  const outOfRange = (index: number) => `names tensor ${index}; there are ${tensors.length}`;
  /** Whether a tensor has content at this point of the execution. */
  const filled = tensors.map((tensor) => tensor.data !== null);

  for (const index of graph.inputs) {
    if (!known(index)) {
      problems.add("graph inputs", outOfRange(index));
    } else if (filled[index]) {
      const what = tensors[index]!.data === null ? "a graph input twice" : "both a graph input and constant";
      problems.add(tensorLabel(graph, index), `is ${what}`);
    } else {
      filled[index] = true;
    }
  }

  for (const [i, { kind, inputs, outputs }] of operators.entries()) {
    const report = (problem: string) => problems.add(operatorLabel(graph, i), problem);
    const [fewest, most] = INPUT_COUNTS[kind] ?? [1, 1];
    if (inputs.length < fewest || inputs.length > most) {
      const supported =
        fewest === most ? `${fewest}` : most === 2 ? `${fewest} or ${most}` : `${fewest} or more`;
      report(`has ${inputs.length} inputs; supported: ${supported}`);
    }
    if (outputs.length !== 1) report(`has ${outputs.length} outputs; supported: 1`);
    for (const [position, index] of inputs.entries()) {
      if (index === -1 && position === optionalInput(kind)) continue;
      if (!known(index)) report(outOfRange(index));
      else if (!filled[index]) report(`reads ${tensorLabel(graph, index)}, which nothing has written yet`);
    }
    for (const index of outputs) {
      if (!known(index)) report(outOfRange(index));
      else if (filled[index]) report(`writes ${tensorLabel(graph, index)}, which already has content`);
      else filled[index] = true;
    }
  }

  for (const index of graph.outputs) {
    if (!known(index)) problems.add("graph outputs", outOfRange(index));
    else if (!filled[index]) problems.add(tensorLabel(graph, index), "is a graph output that nothing writes");
  }
  findExitProblems(graph, problems);
  problems.throwIfAny(`${graph.name}: not a sound graph`);
}
