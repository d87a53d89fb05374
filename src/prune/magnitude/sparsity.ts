/** How many weights of an int8 graph are zero. */
import type { Graph } from "../../graph/graph.ts";
import { elementCount } from "../../graph/shape.ts";
import { type Block, tfliteLayout, zeroBlockShare } from "./blocks.ts";

export interface LayerSparsity {
  readonly index: number;
  readonly kind: string;
  readonly name: string;
  readonly weights: number;
  /** Share of the weights. */
  readonly zeros: number;
  /** Share of the blocks that are zero; null for depthwise convolutions, which have none. */
  readonly zeroBlocks: number | null;
}

const WEIGHTED = new Set(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]);

/** Of every operator with int8 weights. */
export function layerSparsities(graph: Graph, block: Block): LayerSparsity[] {
  return graph.operators.flatMap((op, index) => {
    if (!WEIGHTED.has(op.kind)) return [];
    const { shape, data } = graph.tensors[op.inputs[1]!]!;
    const values = new Int8Array(data!.buffer, data!.byteOffset, data!.byteLength);
    const isDepthwise = op.kind === "DEPTHWISE_CONV_2D";
    return {
      index,
      kind: op.kind,
      name: graph.tensors[op.outputs[0]!]!.name,
      weights: elementCount(shape),
      zeros: values.filter((value) => value === 0).length / values.length,
      zeroBlocks: isDepthwise ? null : zeroBlockShare(values, tfliteLayout(shape, block)),
    };
  });
}
