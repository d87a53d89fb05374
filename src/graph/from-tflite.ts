import { ThumbnetError } from "../errors.ts";
import { createTable, type Table } from "../tflite/flatbuffer.ts";
import {
  ACTIVATIONS,
  BUILTIN_OPERATORS,
  OPERATORS,
  OPTIONS,
  PADDINGS,
  TENSOR_TYPES,
  type TfliteModel,
  type TfliteOperator,
  type TfliteOperatorCode,
  type TfliteTensor,
} from "../tflite/schema.ts";
import { Problems, quoted } from "./check/problems.ts";
import { checkGraph, optionalInput } from "./check/structure.ts";
import { exitsFromMetadata } from "./exit-metadata.ts";
import type { DType, Graph, Operator, OperatorKind, Quantization, Tensor } from "./graph.ts";
import { bytesPerElement } from "./shape.ts";

/** Options of a file that the graph does without: they do not change what the supported types compute. */
const NOT_IN_GRAPH = new Set([
  "asymmetricQuantizeInputs",
  "newShape",
  "potScaleInt16",
  "quantizedBiasType",
  "squeezeDims",
  "weightsFormat",
]);

/** Graph options that a file holds as a number. RELU6 is the last activation that is supported. */
const ENUMERATIONS: { readonly [option: string]: readonly string[] } = {
  padding: PADDINGS,
  activation: ACTIVATIONS.slice(0, 4),
};

type Report = (problem: string) => void;

function reportUndescribed(where: string, table: { undescribed?: number[] } | null, report: Report): void {
  const slots = table?.undescribed;
  if (slots) report(`has fields of a newer schema${where} (slots ${slots.slice(0, 8).join(", ")})`);
}

function importShape(tensor: TfliteTensor, isConstant: boolean, report: Report): readonly number[] {
  const shape = [...(tensor.shape ?? [])];
  if (isConstant) return shape;
  const signature = tensor.shapeSignature ?? [];
  const dynamic = shape.map((dimension, i) => dimension === -1 || signature[i] === -1);
  // A batch of 0 is how some converters write an unknown one.
  if (dynamic[0] || shape[0] === 0) shape[0] = 1;
  const unknown = dynamic.indexOf(true, 1);
  if (unknown !== -1) report(`dimension ${unknown} is dynamic; supported: a dynamic batch only`);
  return shape;
}

function importQuantization(tensor: TfliteTensor, dtype: DType, report: Report): Quantization | null {
  const parameters = tensor.quantization;
  if (parameters === null) return null;
  reportUndescribed(" in its quantization", parameters, report);
  if (parameters.details !== null) {
    report("has custom or blockwise quantization; supported: scales and zero points");
  }
  const scales = parameters.scale ?? [];
  // Where floats have scales, they are a remnant of training.
  if (scales.length === 0 || dtype.startsWith("float") || dtype === "bool") return null;
  return {
    scales,
    zeroPoints: (parameters.zeroPoint ?? []).map(Number),
    axis: scales.length === 1 ? 0 : parameters.quantizedDimension,
  };
}

function importTensor(model: TfliteModel, tensor: TfliteTensor, report: Report): Tensor {
  const type = TENSOR_TYPES[tensor.type];
  let dtype = type?.toLowerCase() as DType;
  if (type === undefined || bytesPerElement(dtype) === undefined) {
    report(`has the element type ${type ?? tensor.type}`);
    dtype = "int8";
  }
  if (tensor.isVariable) report("is a variable");
  if (tensor.sparsity) report("is sparse");
  if (tensor.variantTensors) report("is a variant");
  if (tensor.externalBuffer !== 0) report("keeps its data in another file");
  reportUndescribed("", tensor, report);

  const buffers = model.buffers ?? [];
  const buffer = buffers[tensor.buffer] ?? null;
  if (buffer === null && tensor.buffer !== 0) {
    report(`names buffer ${tensor.buffer}; there are ${buffers.length}`);
  }
  reportUndescribed(" in its buffer", buffer, report);
  const data = buffer?.data?.length ? buffer.data : null;
  return {
    name: tensor.name ?? "",
    shape: importShape(tensor, data !== null, report),
    dtype,
    quantization: importQuantization(tensor, dtype, report),
    data,
  };
}

const builtinCode = (code: TfliteOperatorCode) => Math.max(code.builtinCode, code.deprecatedBuiltinCode);

function operatorName(code: TfliteOperatorCode): string {
  const name = BUILTIN_OPERATORS[builtinCode(code)] ?? `builtin operator ${builtinCode(code)}`;
  return `${name === "CUSTOM" ? `custom ${quoted(code.customCode ?? "")}` : name} version ${code.version}`;
}

function importOptions(
  kind: OperatorKind,
  operator: TfliteOperator,
  report: Report,
): Record<string, unknown> {
  const wanted = OPERATORS[kind][0];
  const union = operator.builtinOptions;
  const options: Record<string, unknown> = {};
  if (wanted === 0) return options;
  if (union !== null && union.type !== wanted) {
    report(`has options of type ${union.type}; supported: ${wanted}`);
  }
  // As in TensorFlow Lite, absent options have their initial values (a stride of 0, say, is found later).
  const table = union?.table ?? createTable<Table>(OPTIONS[wanted], {});
  reportUndescribed(" in its options", table, report);
  if (table.weightsFormat) report("has shuffled weights");
  for (const option in table) {
    if (NOT_IN_GRAPH.has(option)) continue;
    const value = table[option];
    const names = ENUMERATIONS[option];
    options[option] = names ? names[value as number] : value;
    if (options[option] === undefined) {
      const found = option === "activation" ? (ACTIVATIONS[value as number] ?? value) : value;
      report(`has the ${option} ${found}; supported: ${names?.join(", ")}`);
    }
  }
  return options;
}

/**
 * Imports a model into the typed graph, checked; float tensors may be among its tensors (`checkInt8` says
 * whether it can run). A dynamic batch becomes 1, an absent bias -1, and a tensor without data an activation.
 *
 * Constant tensors share their bytes with the model's buffers.
 *
 * @param name what error messages call the model
 * @throws ThumbnetError listing all operators, tensors and options that are not supported, or all that is
 *   wrong with the graph (see `checkGraph`)
 */
export function graphFromTflite(model: TfliteModel, name: string): Graph {
  const [subgraph, ...others] = model.subgraphs ?? [];
  if (subgraph === undefined || others.length > 0) {
    throw new ThumbnetError(`${name}: the model has ${model.subgraphs?.length ?? 0} subgraphs; supported: 1`);
  }
  const problems = new Problems();
  const tensors = (subgraph.tensors ?? []).map((tensor, i) =>
    importTensor(model, tensor, (problem) =>
      problems.add(`tensor ${i} ${quoted(tensor.name ?? "")}`, problem),
    ),
  );

  let unsupported = false;
  const operators = (subgraph.operators ?? []).map((operator, i): Operator => {
    const code = model.operatorCodes?.[operator.opcodeIndex];
    const place = `operator ${i}${code ? ` (${operatorName(code)})` : ""}`;
    const report: Report = (problem) => problems.add(place, problem);
    if (code === undefined) report(`names operator code ${operator.opcodeIndex}, which is not there`);
    const kind = BUILTIN_OPERATORS[code ? builtinCode(code) : -1] as OperatorKind;
    const inputs = [...(operator.inputs ?? [])];
    const outputs = operator.outputs ?? [];
    if (!Object.hasOwn(OPERATORS, kind)) {
      if (code) report("is not supported");
      unsupported ||= code !== undefined;
      return { kind: "RELU", inputs, outputs, options: {} };
    }
    const latest = OPERATORS[kind][1];
    if (code!.version < 1 || code!.version > latest) report(`has that version; supported: 1 to ${latest}`);
    reportUndescribed("", operator, report);
    if (inputs.length === optionalInput(kind)) inputs.push(-1);
    return { kind, inputs, outputs, options: importOptions(kind, operator, report) } as unknown as Operator;
  });
  if (unsupported) problems.add("supported operators", Object.keys(OPERATORS).join(", "));
  problems.throwIfAny(`${name}: cannot import the model`);

  const inputs = subgraph.inputs ?? [];
  const outputs = subgraph.outputs ?? [];
  const exits = exitsFromMetadata(model, { name, tensors, outputs });
  const graph = { name, tensors, operators, inputs, outputs, ...(exits ? { exits } : {}) };
  checkGraph(graph);
  return graph;
}
