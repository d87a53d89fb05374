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
import { constantValues } from "./float-operators.ts";

/** What is given beyond need: without the large values of these channels the output's range is chosen narrower. */
const ROOM = 1.25;

/** By how much each channel of a depthwise convolution reaches too far; 1: it does not. Null where none does. */
function excesses(int8: Graph, op: OperatorOf<"DEPTHWISE_CONV_2D">): number[] | null {
  const call = lowerDepthwise(int8, op).find(isWindowed);
  const shifts = call && preferredShifts(call);
  const channels = call && exactChannels(call);
  if (!shifts || !channels) return null;
  const found = channels.map((channel) => overreach(channel, shifts));
  return found.some((x) => x > 1) ? found.map((x) => (x > 1 ? ROOM * x : 1)) : null;
}

/** The constants that change, by index; null where the network would not be the same. */
function equalizedConstants(
  graph: Graph,
  op: OperatorOf<"DEPTHWISE_CONV_2D">,
  by: readonly number[],
): Map<number, Tensor> | null {
  const output = op.outputs[0]!;
  const readersOf = (tensor: number) => graph.operators.filter(({ inputs }) => inputs.includes(tensor));
  const next = readersOf(output);
  if (op.options.activation !== "NONE" && op.options.activation !== "RELU") return null;
  if (graph.outputs.includes(output) || next.length === 0) return null;
  if (next.some(({ kind }) => kind !== "CONV_2D")) return null;
  const smaller = op.inputs.slice(1).filter((index) => index >= 0);
  const larger = next.map(({ inputs }) => inputs[1]!);
  const isOwn = (index: number) => graph.tensors[index]!.data !== null && readersOf(index).length === 1;
  if (![...smaller, ...larger].every(isOwn)) return null;
  const scaled = (index: number, factor: (channel: number) => number): [number, Tensor] => {
    const tensor = graph.tensors[index]!;
    // Output channels of depthwise weights and of biases come last, as input channels of convolutions do.
    const values = constantValues(tensor).map((value, i) => value * factor(i % by.length));
    return [index, { ...tensor, dtype: "float32", quantization: null, data: new Uint8Array(values.buffer) }];
  };
  return new Map([
    ...smaller.map((index) => scaled(index, (channel) => 1 / by[channel]!)),
    ...larger.map((index) => scaled(index, (channel) => by[channel]!)),
  ]);
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
