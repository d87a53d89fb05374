/**
 * Takes channels out of a graph that hold the same value whatever the input is: what they contribute to the next
 * operator goes into its bias. The outputs of the graph do not change by a bit, and every intermediate tensor can be
 * put together again from what is left and the constants.
 */
import { affineOf, biasData, int8Data, tensorOf } from "../../plan/lower/context.ts";
import { gatherWeights, weightSums } from "../../plan/weights.ts";
import type { Graph, Operator, OperatorOf, Quantization, Tensor } from "../graph.ts";
import { elementCount } from "../shape.ts";
import { type ChannelRanges, channelRanges, channelsOf, hasPadding } from "./ranges.ts";

/** For each channel of the original tensor its constant value, or null where the channel is still there. */
export type Expansion = readonly (number | null)[];

export interface FoldedGraph {
  readonly graph: Graph;
  /** By tensor index, which is the same in both graphs; only for tensors that lost channels. */
  readonly expansions: ReadonlyMap<number, Expansion>;
}

/** By tensor: 1 for each channel that stays. */
type Keeps = Map<number, Uint8Array>;

/** @param graph accepted by `checkInt8` */
export function foldConstantChannels(graph: Graph): FoldedGraph {
  const ranges = channelRanges(graph);
  const keeps = keptChannels(graph, ranges);
  if (keeps.size === 0) return { graph, expansions: new Map() };
  const tensors = graph.tensors.slice();
  const add = (tensor: Tensor): number => tensors.push(tensor) - 1;
  const operators = graph.operators.map((op) => foldOperator(graph, op, keeps, ranges, add));
  const expansions = new Map<number, Expansion>();
  for (const [index, keep] of keeps) {
    const { shape } = graph.tensors[index]!;
    tensors[index] = { ...graph.tensors[index]!, shape: [...shape.slice(0, -1), keptIndices(keep).length] };
    expansions.set(index, expansionOf(keep, ranges[index]!));
  }
  return { graph: { ...graph, tensors, operators }, expansions };
}

// Loops over channels and weights are functions of their own: the engine compiles what is busy, with all that is around it.

function expansionOf(keep: Uint8Array, { low }: ChannelRanges): Expansion {
  const expansion: (number | null)[] = [];
  for (let c = 0; c < keep.length; c++) expansion.push(keep[c] === 1 ? null : low[c]!);
  return expansion;
}

function varyingChannels({ low, high }: ChannelRanges): Uint8Array {
  const keep = new Uint8Array(low.length);
  for (let c = 0; c < keep.length; c++) if (low[c] !== high[c]) keep[c] = 1;
  return keep;
}

/** Keeps also those whose constant is not the one that is absorbed. */
function keepOthers(keep: Uint8Array, { low }: ChannelRanges, absorbed: number | null): void {
  for (let c = 0; c < keep.length; c++) if (low[c] !== absorbed) keep[c] = 1;
}

/** Keeps in both what is kept in one; whether that is more. */
function unite(a: Uint8Array, b: Uint8Array): boolean {
  let changed = false;
  for (let c = 0; c < a.length; c++) {
    if (a[c] === b[c]) continue;
    a[c] = 1;
    b[c] = 1;
    changed = true;
  }
  return changed;
}

function keepAll(keep: Uint8Array | undefined): boolean {
  if (!keep?.includes(0)) return false;
  keep.fill(1);
  return true;
}

const all = (channels: number) => new Uint8Array(channels).fill(1);

function keptIndices(keep: Uint8Array): Int32Array {
  const kept = new Int32Array(keep.length);
  let count = 0;
  for (let c = 0; c < keep.length; c++) if (keep[c] === 1) kept[count++] = c;
  return kept.subarray(0, count);
}

function gather(from: ArrayLike<number>, indices: Int32Array): number[] {
  const gathered: number[] = [];
  for (let i = 0; i < indices.length; i++) gathered.push(from[indices[i]!]!);
  return gathered;
}

/** For tensors that lose channels, which they keep: at least one. */
function keptChannels(graph: Graph, ranges: readonly (ChannelRanges | undefined)[]): Keeps {
  const consumers = new Map<number, Operator[]>();
  for (const op of graph.operators) {
    for (const tensor of op.inputs) consumers.set(tensor, [...(consumers.get(tensor) ?? []), op]);
  }
  const keeps: Keeps = new Map();
  for (const op of graph.operators) {
    const output = op.outputs[0]!;
    const range = ranges[output];
    if (!range || !canLose(graph, op) || graph.outputs.includes(output)) continue;
    const keep = varyingChannels(range);
    if (!keep.includes(1)) keep[0] = 1;
    keeps.set(output, keep);
  }
  // A channel goes only if every operator that reads it can do without.
  for (const [tensor, keep] of keeps) {
    for (const op of consumers.get(tensor) ?? []) {
      const absorbed = absorbedBy(graph, op, tensor);
      if (absorbed !== "any") keepOthers(keep, ranges[tensor]!, absorbed);
    }
  }
  // An operator that carries channels through keeps on both sides or on none.
  const carriers = graph.operators.filter((op) => carries(op) && canLose(graph, op));
  for (let changed = true; changed; ) {
    changed = false;
    // Once down the graph and once up: most that is to be kept is found at once.
    for (const op of [...carriers, ...carriers.toReversed()]) {
      const [input, output] = [keeps.get(op.inputs[0]!), keeps.get(op.outputs[0]!)];
      if (input && output ? unite(input, output) : keepAll(input ?? output)) changed = true;
    }
  }
  for (const [tensor, keep] of keeps) if (!keep.includes(0)) keeps.delete(tensor);
  return keeps;
}

/** Operators whose output channel c comes from input channel c alone. */
function carries({ kind }: Operator): boolean {
  return [
    "DEPTHWISE_CONV_2D",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
  ].includes(kind);
}

function canLose(graph: Graph, op: Operator): boolean {
  const [input, output] = [tensorOf(graph, op.inputs[0]!), tensorOf(graph, op.outputs[0]!)];
  if (op.kind === "CONV_2D") return channelsOf(tensorOf(graph, op.inputs[1]!)) === channelsOf(input);
  return carries(op) && channelsOf(input) === channelsOf(output);
}

/** Which constant channels of a tensor an operator that reads it can do without: those of one value, any, or none. */
function absorbedBy(graph: Graph, op: Operator, tensor: number): number | "any" | null {
  if (op.inputs[0] !== tensor || op.inputs.indexOf(tensor, 1) > 0) return null;
  const input = tensorOf(graph, tensor);
  switch (op.kind) {
    case "CONV_2D":
      if (channelsOf(tensorOf(graph, op.inputs[1]!)) !== channelsOf(input)) return null;
      return hasPadding(graph, op) ? affineOf(input).zeroPoint : "any";
    case "FULLY_CONNECTED":
      return tensorOf(graph, op.inputs[1]!).shape[1] === channelsOf(input) ? "any" : null;
    default:
      return canLose(graph, op) ? "any" : null;
  }
}

function foldOperator(
  graph: Graph,
  op: Operator,
  keeps: Keeps,
  ranges: readonly (ChannelRanges | undefined)[],
  add: (tensor: Tensor) => number,
): Operator {
  const inputs = keeps.get(op.inputs[0]!);
  const outputs = keeps.get(op.outputs[0]!);
  if (!inputs && !outputs) return op;
  if (op.kind === "CONV_2D" || op.kind === "FULLY_CONNECTED") {
    return {
      ...op,
      inputs: [op.inputs[0]!, ...foldWeights(graph, op, inputs, outputs, ranges[op.inputs[0]!], add)],
    };
  }
  if (op.kind !== "DEPTHWISE_CONV_2D" || !outputs) return op;
  const weights = tensorOf(graph, op.inputs[1]!);
  const channels = outputs.length;
  const values = int8Data(weights);
  const kept = keptIndices(outputs);
  const taps = keptIndices(all(values.length / channels));
  const data = gatherWeights(values, channels, channels, taps, kept);
  const bias = biasData(graph, op.inputs[2], channels);
  return { ...op, inputs: [op.inputs[0]!, ...addFolded(weights, data, kept, 3, bias, add)] };
}

/** Weights and bias of a convolution or fully connected layer without the channels that went. */
function foldWeights(
  graph: Graph,
  op: OperatorOf<"CONV_2D" | "FULLY_CONNECTED">,
  inputs: Uint8Array | undefined,
  outputs: Uint8Array | undefined,
  range: ChannelRanges | undefined,
  add: (tensor: Tensor) => number,
): number[] {
  const weights = tensorOf(graph, op.inputs[1]!);
  const values = int8Data(weights);
  const channels = weights.shape[0]!;
  const depth = channelsOf(weights);
  const bias = biasData(graph, op.inputs[2], channels);
  const { zeroPoint } = affineOf(tensorOf(graph, op.inputs[0]!));
  if (inputs) addHeld(bias, weights, inputs, range!, zeroPoint);
  const kept = keptIndices(outputs ?? all(channels));
  const left = keptIndices(inputs ?? all(depth));
  const data = gatherWeights(values, values.length / channels, depth, kept, left);
  return addFolded(weights, data, kept, 0, bias, add);
}

/** Adds what input channels that go contribute to the sums. */
function addHeld(
  bias: Int32Array,
  weights: Tensor,
  inputs: Uint8Array,
  { low }: ChannelRanges,
  zeroPoint: number,
): void {
  const held = new Int32Array(inputs.length);
  let any = 0;
  for (let k = 0; k < held.length; k++) {
    if (inputs[k] === 0) held[k] = low[k]! - zeroPoint;
    any |= held[k]!;
  }
  if (any === 0) return;
  const ranges = { depth: held.length, low: held, high: held };
  const { zeroPoints } = weights.quantization!;
  const { least } = weightSums(int8Data(weights), bias.length, "channels first", zeroPoints[0], ranges);
  for (let c = 0; c < bias.length; c++) bias[c]! += least[c]!;
}

/** Adds weights that keep `kept` along dimension `axis`, and as much of the bias; returns both indices. */
function addFolded(
  weights: Tensor,
  data: Int8Array,
  kept: Int32Array,
  axis: number,
  bias: Int32Array,
  add: (tensor: Tensor) => number,
): number[] {
  const shape = weights.shape.slice();
  shape[axis] = kept.length;
  if (axis === 0) shape[shape.length - 1] = data.length / elementCount(shape.slice(0, -1));
  const { scales, zeroPoints, axis: along } = weights.quantization!;
  const quantization: Quantization =
    scales.length === 1
      ? weights.quantization!
      : { scales: gather(scales, kept), zeroPoints: gather(zeroPoints, kept), axis: along };
  return [
    add({ ...weights, shape, quantization, data: new Uint8Array(data.buffer) }),
    add({
      name: `${weights.name}, bias`,
      shape: [kept.length],
      dtype: "int32",
      quantization: null,
      data: new Uint8Array(new Int32Array(gather(bias, kept)).buffer),
    }),
  ];
}
