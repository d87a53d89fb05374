/** What a graph must satisfy to run in int8: element types, quantisation and shapes, operator by operator. */
import { findProbabilityProblems } from "./check/exits.ts";
import { operatorLabel, Problems, quoted, tensorLabel } from "./check/problems.ts";
import { findShapeProblems } from "./check/shapes.ts";
import { checkGraph } from "./check/structure.ts";
import type { DType, Graph, Operator, OperatorKind, Tensor } from "./graph.ts";

/** What an operator's second and third inputs are; the others, and those of other kinds, are activations. */
const ROLES: { readonly [K in OperatorKind]?: readonly string[] } = {
  CONV_2D: ["input", "weights", "bias"],
  DEPTHWISE_CONV_2D: ["input", "weights", "bias"],
  FULLY_CONNECTED: ["input", "weights", "bias"],
  PAD: ["input", "paddings"],
  MEAN: ["input", "axes"],
  RESHAPE: ["input", "shape"],
  EXPAND_DIMS: ["input", "axis"],
};

/**
 * Kinds that move int8 values unchanged, so that both sides must mean the same by them. RELU6 is one because
 * tflite-micro clamps in the input's scale and never looks at the output's.
 */
const KEEPS_VALUES = new Set<OperatorKind>([
  "AVERAGE_POOL_2D",
  "MAX_POOL_2D",
  "CONCATENATION",
  "RESHAPE",
  "SQUEEZE",
  "EXPAND_DIMS",
  "PAD",
  "RELU6",
]);

type Report = (problem: string) => void;

/** How the graph uses a tensor, by index. */
interface Uses {
  readonly inputs: ReadonlySet<number>;
  readonly outputs: ReadonlySet<number>;
  /** By operators. */
  readonly read: ReadonlySet<number>;
  /** Of each tensor, its first zero point other than 0. */
  readonly zeroPoints: readonly (number | undefined)[];
}

const isInt8 = (tensor: Tensor) => tensor.dtype === "int8" && tensor.quantization?.scales.length === 1;

function sameQuantization(a: Tensor, b: Tensor): boolean {
  const [s, t] = [a.quantization!.scales[0]!, b.quantization!.scales[0]!];
  return (
    Math.abs(s - t) <= 1e-6 * Math.max(s, t) &&
    a.quantization!.zeroPoints[0] === b.quantization!.zeroPoints[0]
  );
}

const showQuantization = ({ quantization }: Tensor) =>
  `scale ${quantization!.scales[0]}, zero point ${quantization!.zeroPoints[0]}`;

function firstNonzero(values: readonly number[]): number | undefined {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) return values[i];
  return undefined;
}

/** Checks a tensor that holds activations; `edges` are the types that are also supported where `isEdge`. */
function checkActivation(
  what: "input" | "output",
  tensor: Tensor,
  edges: readonly DType[],
  isEdge: boolean,
  report: Report,
): void {
  const { name, dtype, quantization } = tensor;
  if (dtype === "int8" || (edges.includes(dtype) && isEdge)) {
    if (dtype === "float32" || quantization?.scales.length === 1) return;
    report(`${what} ${quoted(name)} has ${quantization?.scales.length ?? "no"} scales; supported: 1`);
  } else {
    const edge =
      what === "input" ? "as an input of the graph" : "as an output of the graph that no operator reads";
    const others = edges.length > 0 ? `, or ${edges.join(" or ")} ${edge}` : "";
    report(`${what} ${quoted(name)} is ${dtype}; supported: int8${others}`);
  }
}

function checkWeights(
  kind: OperatorKind,
  tensor: Tensor,
  zeroPoint: number | undefined,
  report: Report,
): void {
  const { name, dtype, data, quantization } = tensor;
  const label = `weights ${quoted(name)}`;
  if (dtype !== "int8" || data === null) {
    report(`${label} are ${data ? "" : "not "}constant ${dtype}; supported: constant int8`);
    return;
  }
  if (quantization === null) {
    report(`${label} have no scales; supported: 1, or 1 for each output channel`);
    return;
  }
  const { scales, axis } = quantization;
  const channelAxis = kind === "DEPTHWISE_CONV_2D" ? 3 : 0;
  if (scales.length > 1 && axis !== channelAxis) {
    report(`${label} have scales along dimension ${axis}; supported: ${channelAxis}`);
  }
  if (kind === "FULLY_CONNECTED" && scales.length === 1) return;
  if (zeroPoint !== undefined) report(`${label} have the zero point ${zeroPoint}; supported: 0`);
}

function checkTypes(graph: Graph, { kind, inputs, outputs }: Operator, uses: Uses, report: Report): void {
  for (const [position, index] of inputs.entries()) {
    if (index === -1) continue;
    const tensor = graph.tensors[index]!;
    const role = ROLES[kind]?.[position] ?? "input";
    if (role === "input") {
      const edges: DType[] = kind === "QUANTIZE" ? ["float32", "uint8"] : [];
      checkActivation(role, tensor, edges, uses.inputs.has(index), report);
    } else if (role === "weights") {
      checkWeights(kind, tensor, uses.zeroPoints[index], report);
    } else if (role === "bias") {
      const found = `${tensor.data ? "" : "not "}constant ${tensor.dtype}`;
      if (found !== "constant int32") {
        report(`bias ${quoted(tensor.name)} is ${found}; supported: constant int32`);
      }
    } else if (tensor.data === null) {
      report(`${role} ${quoted(tensor.name)} is computed; supported: constant`);
    }
  }

  const output = graph.tensors[outputs[0]!]!;
  const isEdge = uses.outputs.has(outputs[0]!) && !uses.read.has(outputs[0]!);
  const edges: DType[] = kind === "QUANTIZE" ? ["uint8"] : kind === "DEQUANTIZE" ? ["float32"] : [];
  checkActivation("output", output, edges, isEdge, report);
  const types = [graph.tensors[inputs[0]!]!.dtype, output.dtype];
  if (kind === "QUANTIZE" && !types.includes("int8")) {
    report(`goes from ${types.join(" to ")}; supported: int8 on a side`);
  }
  if (kind === "DEQUANTIZE" && output.dtype === "int8") report("gives int8; supported: float32");
}

/** What an operator asks of its scales and options, beyond their being there. */
function checkNumbers(graph: Graph, { kind, inputs, outputs, options }: Operator, report: Report): void {
  const output = graph.tensors[outputs[0]!]!;
  if (!isInt8(output)) return;
  if (KEEPS_VALUES.has(kind)) {
    for (const index of kind === "CONCATENATION" ? inputs : inputs.slice(0, 1)) {
      const input = graph.tensors[index]!;
      if (!isInt8(input) || sameQuantization(input, output)) continue;
      const found = `input ${quoted(input.name)} has ${showQuantization(input)}`;
      report(`${found}, output ${quoted(output.name)} ${showQuantization(output)}; supported: the same`);
    }
  }
  if (kind === "SOFTMAX" || kind === "LOGISTIC") {
    const { scales, zeroPoints } = output.quantization!;
    if (scales[0] !== 1 / 256 || zeroPoints[0] !== -128) {
      const found = `output ${quoted(output.name)} has ${showQuantization(output)}`;
      report(`${found}; supported: scale 1/256, zero point -128`);
    }
  }
  if (kind === "SOFTMAX" && !(options.beta > 0 && Number.isFinite(options.beta))) {
    report(`has the beta ${options.beta}; supported: finite and > 0`);
  }
  if (kind === "CONCATENATION" && options.activation !== "NONE") {
    report(`has the activation ${options.activation}; supported: NONE`);
  }
}

/**
 * Checks that a graph can run in int8, byte for byte as on the microcontroller.
 *
 * Supported: int8 activations with one scale; float32 or uint8 at the edges only (a graph input that QUANTIZE
 * reads, a graph output that DEQUANTIZE or, for uint8, QUANTIZE writes); constant int8 weights with one scale or
 * one for each output channel and zero points of 0 (FULLY_CONNECTED with one scale: any); constant int32 biases,
 * whose own scales are not looked at, as in TensorFlow Lite Micro.
 *
 * @throws ThumbnetError listing every operator that cannot run, with what was found and what is supported; and
 *   where the graph is not sound (see `checkGraph`)
 */
export function checkInt8(graph: Graph): void {
  checkGraph(graph);
  checkOperators(graph);
}

/** The same for a graph that is known to be sound, as what was just imported. */
export function checkOperators(graph: Graph): void {
  const problems = new Problems();
  const uses: Uses = {
    inputs: new Set(graph.inputs),
    outputs: new Set(graph.outputs),
    read: new Set(graph.operators.flatMap(({ inputs }) => inputs)),
    zeroPoints: graph.tensors.map(({ quantization }) => firstNonzero(quantization?.zeroPoints ?? [])),
  };
  for (const [i, operator] of graph.operators.entries()) {
    const report: Report = (problem) => problems.add(operatorLabel(graph, i), problem);
    checkTypes(graph, operator, uses, report);
    checkNumbers(graph, operator, report);
  }
  findShapeProblems(graph, problems);

  const written = new Set(graph.operators.flatMap(({ outputs }) => outputs));
  for (const index of uses.outputs) {
    if (!written.has(index)) {
      problems.add(tensorLabel(graph, index), "is a graph output that no operator writes");
    }
  }
  for (const index of uses.inputs) {
    if (uses.read.has(index)) continue; // checked where it is read
    const report: Report = (problem) => problems.add(tensorLabel(graph, index), problem);
    checkActivation("input", graph.tensors[index]!, ["float32", "uint8"], true, report);
  }
  findProbabilityProblems(graph, problems);
  problems.throwIfAny(`${graph.name}: cannot run in int8`);
}
