/** What can be said of a model file, whether or not it can run. */
import { ThumbnetError } from "../errors.ts";
import { graphCost, operatorCost } from "../graph/cost.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import type { Graph } from "../graph/graph.ts";
import { type ChipEstimate, estimateChip } from "../mcu/cost/estimate.ts";
import { type Prediction, predictCycles } from "../mcu/cost/model.ts";
import { compilePlan } from "../plan/compile.ts";
import { encodeImage } from "../plan/encode.ts";
import { isImage, readImage } from "../plan/image.ts";
import { OPTIMIZE, type Optimize, type Plan, type PlannedOperator } from "../plan/plan.ts";
import { readTflite } from "../tflite/read.ts";
import { BUILTIN_OPERATORS, TENSOR_TYPES, type TfliteModel } from "../tflite/schema.ts";

export interface PortSummary {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Null where the model gives none. */
  readonly scale: number | null;
  readonly zeroPoint: number | null;
}

/** Null: not known. */
export interface OperatorSummary {
  readonly index: number;
  readonly name: string;
  /** Of its output. */
  readonly shape: readonly number[];
  readonly macs: number | null;
  /** Elements of weights and biases. */
  readonly parameters: number | null;
  /** Bytes of the buffers that are alive while it runs. */
  readonly liveBytes: number | null;
  /** Predicted for the chip. */
  readonly cycles: number | null;
  readonly kernels: readonly string[] | null;
}

export interface ModelSummary {
  readonly format: "tflite" | "image";
  readonly inputs: readonly PortSummary[];
  readonly outputs: readonly PortSummary[];
  readonly operators: readonly OperatorSummary[];
  /** Null where the model cannot run, or is an image (which holds the result only). */
  readonly plan: Plan | null;
  readonly arenaBytes: number | null;
  /** The compiled image; null where the model cannot run. */
  readonly image: Uint8Array | null;
  /** Why the model cannot run: everything at once. */
  readonly problem: ThumbnetError | null;
}

/** What the model takes on the chip when it is planned for an aim; null for an image, which is planned. */
export interface ModeSummary {
  readonly optimize: Optimize | null;
  readonly chip: ChipEstimate;
}

/** The sum over operators; null where one is not known. */
export function totalCost(
  operators: readonly OperatorSummary[],
  key: "macs" | "parameters" | "cycles",
): number | null {
  return operators.reduce<number | null>((sum, op) => {
    const value = op[key];
    return sum === null || value === null ? null : sum + value;
  }, 0);
}

/** What folding has taken out of a plan: channels that hold the same value whatever the input is. */
export interface FoldedSummary {
  readonly channels: number;
  /** What is left to compute. */
  readonly macs: number;
  readonly parameters: number;
}

/** Null where nothing was folded. */
export function foldedSummary({ graph, expansions }: Plan): FoldedSummary | null {
  const channels = [...expansions.values()].flat().filter((value) => value !== null).length;
  return channels === 0 ? null : { channels, ...graphCost(graph) };
}

/**
 * Summarises a `.tflite` file or a thumbnet image.
 *
 * @throws ThumbnetError when the file is damaged or neither of the two
 */
export function summarize(bytes: Uint8Array, name: string, optimize: Optimize = "speed"): ModelSummary {
  if (isImage(bytes)) return summarizeImage(bytes, name);
  return summarizeTflite(readTflite(bytes, name), name, optimize);
}

function summarizeImage(bytes: Uint8Array, name: string): ModelSummary {
  const image = readImage(bytes, name);
  const port = ({ name, tensor }: (typeof image.inputs)[number]): PortSummary => {
    const { shape, dtype, scale, zeroPoint } = tensor;
    return { name, shape, dtype, scale, zeroPoint };
  };
  const { operators: predicted } = predictCycles(bytes);
  return {
    format: "image",
    inputs: image.inputs.map(port),
    outputs: image.outputs.map(port),
    operators: image.operators.map(({ kind, output: { shape } }, index) => {
      const cost = { ...UNKNOWN, cycles: predicted[index]!.cycles };
      return { index, name: kind, shape, ...cost };
    }),
    plan: null,
    arenaBytes: image.arenaBytes,
    image: bytes,
    problem: null,
  };
}

function summarizeTflite(model: TfliteModel, name: string, optimize: Optimize): ModelSummary {
  let graph: Graph | undefined;
  try {
    graph = graphFromTflite(model, name);
    const plan = compilePlan(graph, { optimize });
    const image = encodeImage(plan);
    const structure = summarizeGraph(graph, plan, predictCycles(image));
    return { ...structure, plan, arenaBytes: plan.arenaBytes, image, problem: null };
  } catch (error) {
    if (!(error instanceof ThumbnetError)) throw error;
    const structure = graph ? summarizeGraph(graph, null, null) : summarizeStructure(model);
    return { ...structure, plan: null, arenaBytes: null, image: null, problem: error };
  }
}

/** What a model takes on the chip, for every aim that a plan can have. */
export function summarizeModes(bytes: Uint8Array, name: string): ModeSummary[] {
  if (isImage(bytes)) return [{ optimize: null, chip: estimateChip(bytes, { name }) }];
  const graph = graphFromTflite(readTflite(bytes, name), name);
  return OPTIMIZE.map((optimize) => {
    return { optimize, chip: estimateChip(encodeImage(compilePlan(graph, { optimize })), { name }) };
  });
}

/** Each kernel once for each run of calls of it; slices of rows call the same ones again and again. */
function kernelNames({ operator, calls }: PlannedOperator): string[] {
  const names = calls.map(({ kernel }) => kernel);
  return operator.kind === "CONCATENATION" ? names : [...new Set(names.filter((name) => name !== "copy_s8"))];
}

const UNKNOWN = { macs: null, parameters: null, liveBytes: null, cycles: null, kernels: null };

type Structure = Pick<ModelSummary, "format" | "inputs" | "outputs" | "operators">;

function summarizeGraph(graph: Graph, plan: Plan | null, prediction: Prediction | null): Structure {
  const port = (index: number): PortSummary => {
    const { name, shape, dtype, quantization } = graph.tensors[index]!;
    const scale = quantization?.scales[0] ?? null;
    return { name, shape, dtype, scale, zeroPoint: quantization?.zeroPoints[0] ?? null };
  };
  return {
    format: "tflite",
    inputs: graph.inputs.map(port),
    outputs: graph.outputs.map(port),
    operators: graph.operators.map((op, index) => ({
      index,
      name: op.kind,
      shape: graph.tensors[op.outputs[0]!]!.shape,
      ...operatorCost(graph, op),
      liveBytes: plan?.operators[index]?.liveBytes ?? null,
      cycles: prediction?.operators[index]?.cycles ?? null,
      kernels: plan ? kernelNames(plan.operators[index]!) : null,
    })),
  };
}

/** What a file says of itself where no graph can be made of it. */
function summarizeStructure(model: TfliteModel): Structure {
  const subgraph = model.subgraphs?.[0];
  const port = (index: number): PortSummary => {
    const tensor = subgraph?.tensors?.[index];
    const scale = tensor?.quantization?.scale?.[0];
    return {
      name: tensor?.name ?? "",
      shape: [...(tensor?.shape ?? [])],
      dtype: TENSOR_TYPES[tensor?.type ?? -1]?.toLowerCase() ?? "unknown",
      scale: scale ?? null,
      zeroPoint: scale === undefined ? null : Number(tensor?.quantization?.zeroPoint?.[0] ?? 0),
    };
  };
  const operators = (subgraph?.operators ?? []).map((operator, index): OperatorSummary => {
    const code = model.operatorCodes?.[operator.opcodeIndex];
    const builtin = code && BUILTIN_OPERATORS[Math.max(code.builtinCode, code.deprecatedBuiltinCode)];
    const name = (builtin === "CUSTOM" ? code?.customCode : builtin) ?? "unknown";
    const { shape } = port(operator.outputs?.[0] ?? -1);
    return { index, name, shape, ...UNKNOWN };
  });
  return {
    format: "tflite",
    inputs: (subgraph?.inputs ?? []).map(port),
    outputs: (subgraph?.outputs ?? []).map(port),
    operators,
  };
}
