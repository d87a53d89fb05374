/**
 * Sums of depthwise convolutions within what the chip's quick loop carries (see plan/two-part.ts). A channel of large
 * weights whose outputs are mostly small can, with other inputs, give sums of many times the output's range. Its weights
 * and bias are divided by what is too much and the weights by which the next convolutions read it multiplied: with no
 * activation or a ReLU between, that is the same network (cross-layer equalisation: Nagel et al. 2019, arXiv 1906.04721).
 */
import type { Graph, OperatorOf, Tensor } from "../graph/graph.ts";
import { exactChannels, isWindowed, preferredShifts } from "../plan/for-chip.ts";
import { lowerDepthwise } from "../plan/lower/windows.ts";
import { overreach } from "../plan/two-part.ts";

/** What is given beyond need: without the large values of these channels the output's range is chosen narrower. */
const ROOM = 1.25;

/** By how much each channel of a depthwise convolution reaches too far; 1: it does not. Null where none does. */
function excesses(int8: Graph, op: OperatorOf<"DEPTHWISE_CONV_2D">): number[] | null {
  const call = lowerDepthwise(int8, op).find(isWindowed);
  const shifts = call && preferredShifts(call);
  const channels = call && exactChannels(call);
  if (!shifts || !channels) return null;
  const found = channels.map((channel) => overreach(channel, shifts)).map((x) => (x > 1 ? ROOM * x : 1));
  return found.some((x) => x > 1) ? found : null;
}

/** A constant float32 tensor of one reader times a factor for each element; null where it is none. */
function scaled(graph: Graph, index: number, factor: (i: number) => number): Tensor | null {
  const tensor = graph.tensors[index];
  if (tensor === undefined || tensor.data === null || tensor.dtype !== "float32") return null;
  if (graph.operators.filter((op) => op.inputs.includes(index)).length !== 1) return null;
  const values = new Float32Array(tensor.data.slice().buffer).map((value, i) => value * factor(i));
  return { ...tensor, data: new Uint8Array(values.buffer) };
}

/** The constants that change, by index; null where the network would not be the same. */
function equalizedConstants(
  graph: Graph,
  op: OperatorOf<"DEPTHWISE_CONV_2D">,
  by: readonly number[],
): Map<number, Tensor> | null {
  const { activation } = op.options;
  const output = op.outputs[0]!;
  const readers = graph.operators.filter(({ inputs }) => inputs.includes(output));
  if (activation !== "NONE" && activation !== "RELU") return null;
  if (graph.outputs.includes(output) || readers.length === 0) return null;
  if (readers.some(({ kind }) => kind !== "CONV_2D")) return null;
  const channels = by.length;
  const less = (i: number) => 1 / by[i % channels]!;
  const more = (i: number) => by[i % channels]!;
  const constants = new Map<number, Tensor | null>();
  for (const index of op.inputs.slice(1)) {
    if (index >= 0) constants.set(index, scaled(graph, index, less));
  }
  for (const { inputs } of readers) constants.set(inputs[1]!, scaled(graph, inputs[1]!, more));
  const all = [...constants.values()];
  return all.includes(null) ? null : (constants as Map<number, Tensor>);
}

/**
 * @param graph float
 * @param int8 what quantisation made of it, operator by operator
 * @returns the same network with other weights; null where nothing needs to change, or nothing can
 */
export function equalized(graph: Graph, int8: Graph): Graph | null {
  const tensors = [...graph.tensors];
  let isChanged = false;
  graph.operators.forEach((op, i) => {
    const other = int8.operators[i]!;
    if (op.kind !== "DEPTHWISE_CONV_2D" || other.kind !== "DEPTHWISE_CONV_2D") return;
    const by = excesses(int8, other);
    const constants = by && equalizedConstants({ ...graph, tensors }, op, by);
    for (const [index, tensor] of constants ?? []) {
      tensors[index] = tensor;
      isChanged = true;
    }
  });
  return isChanged ? { ...graph, tensors } : null;
}
