import type { Graph, Operator } from "../../graph/graph.ts";
import type { KernelCall } from "../kernel-call.ts";
import { lowerAdd, lowerMul, lowerSoftmax } from "./elementwise.ts";
import { lowerLookup } from "./lookup.ts";
import { lowerConcatenation, lowerMean, lowerPad } from "./rearrange.ts";
import { lowerConv, lowerDepthwise, lowerFullyConnected, lowerPool } from "./windows.ts";

/**
 * The kernel calls that do an operator's work: integer parameters only, derived from the scales exactly as
 * the reference kernels derive them. Operators that only rename a tensor need none.
 *
 * @param graph accepted by `checkInt8`
 */
export function lowerOperator(graph: Graph, op: Operator): KernelCall[] {
  switch (op.kind) {
    case "CONV_2D":
      return lowerConv(graph, op);
    case "DEPTHWISE_CONV_2D":
      return lowerDepthwise(graph, op);
    case "FULLY_CONNECTED":
      return lowerFullyConnected(graph, op);
    case "AVERAGE_POOL_2D":
    case "MAX_POOL_2D":
      return lowerPool(graph, op);
    case "ADD":
    case "SUB":
      return lowerAdd(graph, op);
    case "MUL":
      return lowerMul(graph, op);
    case "SOFTMAX":
      return lowerSoftmax(graph, op);
    case "LOGISTIC":
    case "RELU":
    case "RELU6":
    case "QUANTIZE":
      return isAlias(graph, op) ? [] : lowerLookup(graph, op);
    case "CONCATENATION":
      return lowerConcatenation(graph, op);
    case "PAD":
      return lowerPad(graph, op);
    case "MEAN":
      return lowerMean(graph, op);
    case "RESHAPE":
    case "SQUEEZE":
    case "EXPAND_DIMS":
    case "DEQUANTIZE":
      return [];
  }
}

/**
 * Whether an operator's output is its input's bytes under another name. QUANTIZE of a float graph input and
 * DEQUANTIZE of a graph output count: the runtime takes and gives int8 there and converts outside.
 */
export function isAlias(graph: Graph, op: Operator): boolean {
  switch (op.kind) {
    case "RESHAPE":
    case "SQUEEZE":
    case "EXPAND_DIMS":
    case "DEQUANTIZE":
      return true;
    case "QUANTIZE":
      return graph.tensors[op.inputs[0]!]!.dtype === "float32";
    default:
      return false;
  }
}
