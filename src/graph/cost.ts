import type { Graph, Operator } from "./graph.ts";
import { elementCount } from "./shape.ts";

/** What an operator, or a graph, asks of the hardware. */
export interface Cost {
  /** Multiply-accumulates of one inference, the batch of the model file included. */
  readonly macs: number;
  /** Elements of its weights and biases. */
  readonly parameters: number;
}

/** Multiply-accumulates that one output element takes, by the shape of the weights. */
function macsPerOutput(kind: Operator["kind"], weights: readonly number[]): number {
  const elements = elementCount(weights);
  switch (kind) {
    case "CONV_2D": // [O,KH,KW,C/groups]
    case "FULLY_CONNECTED": // [O,I]
      return elements / (weights[0] ?? 1);
    case "DEPTHWISE_CONV_2D": // [1,KH,KW,O]
      return elements / (weights.at(-1) ?? 1);
    default:
      return 0;
  }
}

/** Kinds whose second and further inputs say how to arrange data; they hold no weights. */
const ARRANGES = new Set<Operator["kind"]>(["PAD", "MEAN", "RESHAPE", "EXPAND_DIMS"]);

/**
 * The cost of one operator. MACs are counted for convolutions (output elements * KH * KW * input channels of a
 * group), depthwise ones (output elements * KH * KW) and fully connected layers (output elements * input
 * depth); every other kind has 0. Works on any sound graph (`checkGraph`), float ones too.
 */
export function operatorCost(graph: Graph, op: Operator): Cost {
  const output = graph.tensors[op.outputs[0]!]!;
  const weights = graph.tensors[op.inputs[1] ?? -1];
  const constants = ARRANGES.has(op.kind)
    ? []
    : op.inputs.filter((t) => t >= 0 && graph.tensors[t]!.data !== null);
  return {
    macs: weights ? elementCount(output.shape) * macsPerOutput(op.kind, weights.shape) : 0,
    parameters: constants.reduce((sum, t) => sum + elementCount(graph.tensors[t]!.shape), 0),
  };
}

/** The sum over all operators; constants that several operators share count for each. */
export function graphCost(graph: Graph): Cost {
  const costs = graph.operators.map((op) => operatorCost(graph, op));
  return {
    macs: costs.reduce((sum, cost) => sum + cost.macs, 0),
    parameters: costs.reduce((sum, cost) => sum + cost.parameters, 0),
  };
}
