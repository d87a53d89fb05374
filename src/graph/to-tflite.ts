import { ThumbnetError } from "../errors.ts";
import { createTable, type DecodedTable, type Table } from "../tflite/flatbuffer.ts";
import {
  ACTIVATIONS,
  BUFFER,
  BUILTIN_OPERATORS,
  MODEL,
  OPERATOR,
  OPERATOR_CODE,
  OPERATORS,
  OPTIONS,
  PADDINGS,
  QUANTIZATION_PARAMETERS,
  SCHEMA_VERSION,
  SUBGRAPH,
  TENSOR,
  TENSOR_TYPES,
  type TfliteModel,
  type TfliteOperator,
} from "../tflite/schema.ts";
import { operatorLabel } from "./check/problems.ts";
import { squeezedDimensions } from "./check/shapes.ts";
import { checkGraph } from "./check/structure.ts";
import { EXITS_METADATA, exitMetadata } from "./exit-metadata.ts";
import type { Graph, Operator, OperatorKind, Quantization, Tensor } from "./graph.ts";
import { sameShape } from "./shape.ts";

/** The versions that TensorFlow Lite's converter gives int8 operators; its float kernels take them too. */
const VERSIONS: { readonly [K in OperatorKind]: number } = {
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 3,
  FULLY_CONNECTED: 4,
  AVERAGE_POOL_2D: 2,
  MAX_POOL_2D: 2,
  ADD: 2,
  SUB: 2,
  MUL: 2,
  PAD: 2,
  MEAN: 2,
  CONCATENATION: 2,
  RESHAPE: 1,
  SQUEEZE: 1,
  EXPAND_DIMS: 1,
  SOFTMAX: 2,
  LOGISTIC: 2,
  RELU: 2,
  RELU6: 2,
  QUANTIZE: 1,
  DEQUANTIZE: 2,
};

/** As above, and what needs a later one: see TensorFlow Lite's op_version.cc. */
function operatorVersion(operator: Operator, inputs: readonly Tensor[], output: Tensor): number {
  const [x, second] = inputs;
  switch (operator.kind) {
    case "CONV_2D":
      if (x!.shape[3] !== second!.shape[3]) return 6; // grouped
      break;
    case "FULLY_CONNECTED":
      if (operator.options.keepNumDims) return 5;
      break;
    case "SUB":
      if (!sameShape(x!.shape, second!.shape) && output.shape.length > 4) return 3;
      break;
    case "MUL": {
      const [a, b, c] = [x, second, output].map((tensor) => tensor!.quantization?.scales[0]);
      if (a && b && c && (a * b) / c >= 1) return 3;
      break;
    }
    case "PAD":
      if (x!.shape.length > 4) return 4;
      break;
    case "DEQUANTIZE":
      if ((x!.quantization?.scales.length ?? 0) > 1) return 5;
      break;
    case "QUANTIZE":
      if ((output.quantization?.scales.length ?? 0) > 1) return 3;
      break;
  }
  return VERSIONS[operator.kind];
}

function exportQuantization({ scales, zeroPoints, axis }: Quantization) {
  return createTable(QUANTIZATION_PARAMETERS, {
    scale: [...scales],
    zeroPoint: zeroPoints.map(BigInt),
    quantizedDimension: axis,
  });
}

/** Options that a file has beyond the graph's: what the output's shape says. */
function shapeOptions(graph: Graph, index: number): DecodedTable<Table> {
  const { kind, inputs, outputs } = graph.operators[index]!;
  const output = graph.tensors[outputs[0]!]!.shape;
  if (kind === "RESHAPE") return { newShape: [...output] };
  if (kind !== "SQUEEZE") return {};
  const squeezeDims = squeezedDimensions(graph.tensors[inputs[0]!]!.shape, output);
  if (squeezeDims !== null) return { squeezeDims };
  throw new ThumbnetError(
    `${graph.name}: ${operatorLabel(graph, index)}: the output is not the input squeezed`,
  );
}

function exportOptions(graph: Graph, index: number): TfliteOperator["builtinOptions"] {
  const { kind, options } = graph.operators[index]!;
  const type = OPERATORS[kind][0];
  if (type === 0) return null;
  const fields: Record<string, unknown> = { ...options, ...shapeOptions(graph, index) };
  if ("padding" in options) fields.padding = PADDINGS.indexOf(options.padding);
  if ("activation" in options) fields.activation = ACTIVATIONS.indexOf(options.activation);
  return { type, table: createTable<Table>(OPTIONS[type], fields as DecodedTable<Table>) };
}

/**
 * The `.tflite` form of a graph: `graphFromTflite` gives back an equal graph, and TensorFlow Lite reads it.
 * Operators bear the versions of int8 operators. Constant tensors share their bytes with the graph.
 *
 * @throws ThumbnetError where the graph is not sound (see `checkGraph`), or has a SQUEEZE that is none
 */
export function tfliteFromGraph(graph: Graph): TfliteModel {
  checkGraph(graph);

  // Buffer 0 is the empty one of all activations. Tensors that share their bytes share a buffer.
  const buffers = [createTable(BUFFER, {})];
  const bufferOf = new Map<Uint8Array, number>();
  const tensors = graph.tensors.map(({ name, shape, dtype, quantization, data }) => {
    let buffer = data === null ? 0 : bufferOf.get(data);
    if (buffer === undefined) {
      buffer = buffers.push(createTable(BUFFER, { data })) - 1;
      bufferOf.set(data!, buffer);
    }
    return createTable(TENSOR, {
      name,
      shape: [...shape],
      type: TENSOR_TYPES.indexOf(dtype.toUpperCase()),
      buffer,
      quantization: quantization && exportQuantization(quantization),
      hasRank: true,
    });
  });

  const operatorCodes: NonNullable<TfliteModel["operatorCodes"]> = [];
  const operators = graph.operators.map((operator, i) => {
    const { kind, outputs } = operator;
    const inputs = [...operator.inputs];
    // TensorFlow Lite's convolutions take an absent bias as two inputs, its fully connected layer as -1 too.
    if (kind !== "FULLY_CONNECTED" && inputs.at(-1) === -1) inputs.pop();
    const builtinCode = BUILTIN_OPERATORS.indexOf(kind);
    const inputTensors = inputs.map((index) => graph.tensors[index]!);
    const version = operatorVersion(operator, inputTensors, graph.tensors[outputs[0]!]!);
    let opcodeIndex = operatorCodes.findIndex(
      (code) => code.builtinCode === builtinCode && code.version === version,
    );
    if (opcodeIndex === -1) {
      // Readers older than the wide code look at the narrow one only.
      const code = { builtinCode, deprecatedBuiltinCode: Math.min(builtinCode, 127), version };
      opcodeIndex = operatorCodes.push(createTable(OPERATOR_CODE, code)) - 1;
    }
    const builtinOptions = exportOptions(graph, i);
    return createTable(OPERATOR, { opcodeIndex, inputs, outputs: [...outputs], builtinOptions });
  });

  const exits = exitMetadata(graph);
  const metadata = exits && [
    { name: EXITS_METADATA, buffer: buffers.push(createTable(BUFFER, { data: exits })) - 1 },
  ];
  const subgraph = createTable(SUBGRAPH, {
    name: "main",
    tensors,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    operators,
  });
  return createTable(MODEL, {
    version: SCHEMA_VERSION,
    description: graph.name,
    operatorCodes,
    subgraphs: [subgraph],
    buffers,
    metadata,
  });
}
