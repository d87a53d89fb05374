/**
 * Takes channels out of a graph that hold the same value whatever the input is: what they contribute to the next
 * operator goes into its bias. The outputs of the graph do not change by a bit, and every intermediate tensor can be
 * put together again from what is left and the constants.
 */
import { affineOf, biasData, int8Data, tensorOf } from "../../plan/lower/context.ts";
import type { Graph, Operator, OperatorOf, Quantization, Tensor } from "../graph.ts";
import { type ChannelRanges, channelRanges, channelsOf, hasPadding, indices } from "./ranges.ts";

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
    tensors[index] = { ...graph.tensors[index]!, shape: [...shape.slice(0, -1), count(keep)] };
    const { low } = ranges[index]!;
    const expansion: (number | null)[] = [];
    for (let c = 0; c < keep.length; c++) expansion.push(keep[c] ? null : low[c]!);
    expansions.set(index, expansion);
  }
  return { graph: { ...graph, tensors, operators }, expansions };
}

function count(keep: Uint8Array): number {
  let sum = 0;
  for (let c = 0; c < keep.length; c++) sum += keep[c]!;
  return sum;
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
    const keep = new Uint8Array(range.low.length);
    for (let c = 0; c < keep.length; c++) keep[c] = Number(range.low[c] !== range.high[c]);
    if (!keep.includes(1)) keep[0] = 1;
    keeps.set(output, keep);
  }
  // A channel goes only if every operator that reads it can do without.
  for (const [tensor, keep] of keeps) {
    for (const op of consumers.get(tensor) ?? []) {
      const absorbed = absorbedBy(graph, op, tensor);
      if (absorbed === "any") continue;
      const { low } = ranges[tensor]!;
      for (let c = 0; c < keep.length; c++) keep[c] ||= Number(low[c] !== absorbed);
    }
  }
  // An operator that carries channels through keeps on both sides or on none.
  const carriers = graph.operators.filter((op) => carries(op) && canLose(graph, op));
  for (let changed = true; changed; ) {
    changed = false;
    // Once down the graph and once up: most that is to be kept is found at once.
    for (const op of [...carriers, ...carriers.toReversed()]) {
      const [input, output] = [keeps.get(op.inputs[0]!), keeps.get(op.outputs[0]!)];
      if (input && output) {
        for (let c = 0; c < input.length; c++) {
          if (input[c] === output[c]) continue;
          input[c] = 1;
          output[c] = 1;
          changed = true;
        }
      } else if ((input ?? output)?.includes(0)) {
        (input ?? output)!.fill(1);
        changed = true;
      }
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
  const kept = indices(channels, (c) => outputs[c] === 1);
  const values = int8Data(weights);
  const data = new Int8Array((values.length / channels) * kept.length);
  for (let row = 0, at = 0; row < values.length; row += channels) {
    for (let i = 0; i < kept.length; i++) data[at++] = values[row + kept[i]!]!;
  }
  const bias = biasData(graph, op.inputs[2], channels);
  return {
    ...op,
    inputs: [
      op.inputs[0]!,
      ...addFolded(graph, op, data, kept, 3, gather(new Int32Array(kept.length), bias, kept), add),
    ],
  };
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
  const taps = values.length / (channels * depth);
  const { zeroPoint } = affineOf(tensorOf(graph, op.inputs[0]!));
  const weightsZeroPoint = weights.quantization!.zeroPoints[0]!;
  const kept = indices(channels, (c) => outputs?.[c] !== 0);
  const bias = biasData(graph, op.inputs[2], channels);
  const left = indices(depth, (k) => inputs?.[k] !== 0);
  // What a channel that goes holds, where that is not zero.
  const gone = indices(depth, (k) => inputs?.[k] === 0 && range!.low[k] !== zeroPoint);
  const data = new Int8Array(kept.length * taps * left.length);
  const folded = new Int32Array(kept.length);
  let to = 0;
  for (let i = 0; i < kept.length; i++) {
    const c = kept[i]!;
    let sum = bias[c]!;
    for (let from = c * taps * depth; from < (c + 1) * taps * depth; from += depth) {
      if (!inputs) {
        data.set(values.subarray(from, from + depth), to);
        to += depth;
        continue;
      }
      for (let n = 0; n < left.length; n++) data[to++] = values[from + left[n]!]!;
      for (let n = 0; n < gone.length; n++) {
        const k = gone[n]!;
        sum += (values[from + k]! - weightsZeroPoint) * (range!.low[k]! - zeroPoint);
      }
    }
    folded[i] = sum;
  }
  return addFolded(graph, op, data, kept, 0, folded, add);
}

/** Adds weights that keep `kept` along dimension `axis`, and their bias; returns both indices. */
function addFolded(
  graph: Graph,
  op: Pick<Operator, "inputs">,
  data: Int8Array,
  kept: Int32Array,
  axis: number,
  bias: Int32Array,
  add: (tensor: Tensor) => number,
): number[] {
  const weights = tensorOf(graph, op.inputs[1]!);
  const rest = weights.shape.slice();
  rest[axis] = kept.length;
  if (axis === 0) rest[rest.length - 1] = data.length / rest.slice(0, -1).reduce((a, b) => a * b, 1);
  const { scales, zeroPoints, axis: along } = weights.quantization!;
  const quantization: Quantization =
    scales.length === 1
      ? weights.quantization!
      : { scales: gather([], scales, kept), zeroPoints: gather([], zeroPoints, kept), axis: along };
  const name = tensorOf(graph, op.inputs[1]!).name;
  return [
    add({ ...weights, shape: rest, quantization, data: new Uint8Array(data.buffer) }),
    add({
      name: `${name}, bias`,
      shape: [kept.length],
      dtype: "int32",
      quantization: null,
      data: new Uint8Array(bias.buffer),
    }),
  ];
}

function gather<T extends number[] | Int32Array>(to: T, from: ArrayLike<number>, indices: Int32Array): T {
  for (let i = 0; i < indices.length; i++) to[i] = from[indices[i]!]!;
  return to;
}
