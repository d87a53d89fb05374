import type { Graph, OperatorKind, Tensor } from "../../src/graph/graph.ts";
import { encodeImage } from "../../src/plan/encode.ts";
import type { KernelCall } from "../../src/plan/kernel-call.ts";
import { ALIGNMENT, alignUp } from "../../src/plan/layout.ts";
import { scratchBytes } from "../../src/plan/scratch.ts";

/** Where scales do not matter: the call holds the integers that they lead to. */
function activation(name: string, elements: number): Tensor {
  const quantization = { scales: [1], zeroPoints: [0], axis: 0 };
  return { name, shape: [elements], dtype: "int8", quantization, data: null };
}

/**
 * An image of a single kernel call with given integer parameters, for vectors that say nothing of scales.
 * Tensors 0 … n-1 of the call are inputs of the given sizes, tensor n is the output.
 */
export function kernelImage(call: KernelCall, inputSizes: readonly number[], outputSize: number): Uint8Array {
  const sizes = [...inputSizes, outputSize];
  const inputs = inputSizes.map((_, i) => i);
  const output = inputSizes.length;
  // Only the name under which the image lists it.
  const operator = { kind: "RELU" as OperatorKind, inputs, outputs: [output], options: {} };
  const graph: Graph = {
    name: call.kernel,
    tensors: sizes.map((size, i) => activation(i === output ? "output" : `input${i}`, size)),
    operators: [operator as Graph["operators"][number]],
    inputs,
    outputs: [output],
  };
  let end = 0;
  const places = sizes.map((size) => {
    const place = { space: "arena" as const, offset: end, isWhole: true };
    end = alignUp(end + size, ALIGNMENT);
    return place;
  });
  return encodeImage({
    graph,
    operators: [{ operator: graph.operators[0]!, calls: [call], recordEnd: 1, liveBytes: end }],
    order: [0],
    chains: [],
    places,
    expansions: new Map(),
    stored: sizes.map((_, i) => i),
    arenaBytes: end,
    scratchBytes: scratchBytes(call),
    arenaBound: end,
    peakOperator: 0,
    buffers: [],
    exits: [],
    finalOutput: 0,
  });
}
