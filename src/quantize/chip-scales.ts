/**
 * Scales of weights with which the chip requantises at its quickest. Its quick form (see plan/two-part.ts) has the same
 * shifts for all channels of an operator, and is there for all of them or for none; whether a channel has it is a matter
 * of where its rounding happens to fall. Another scale, different by less than what rounding to 8 bits leaves open, falls
 * elsewhere.
 */
import type { Graph, OperatorOf, Tensor } from "../graph/graph.ts";
import { exactChannels, isWindowed, preferredShifts } from "../plan/for-chip.ts";
import { biasData, quantizationOf, tensorOf } from "../plan/lower/context.ts";
import { lowerConv, lowerDepthwise } from "../plan/lower/windows.ts";
import { quantizeMultiplier } from "../plan/multiplier.ts";
import { hasTwoPart, nearestTwoPart } from "../plan/two-part.ts";

/** The relative step from one scale that is tried to the next. */
const STEP = 2 ** -17;
/** Steps to either side: 0.05 %. */
const STEPS = 64;

type Weighted = OperatorOf<"CONV_2D"> | OperatorOf<"DEPTHWISE_CONV_2D">;

/** The nearest first. */
const DISTANCES = Array.from({ length: 2 * STEPS }, (_, i) => (i & 1 ? -1 : 1) * STEP * ((i >> 1) + 1));

const withScales = (tensor: Tensor, scales: readonly number[]): Tensor => ({
  ...tensor,
  quantization: { ...quantizationOf(tensor), scales },
});

/** Weights and bias with other scales; null where nothing needs to move, or not all that would need to can. */
function moved(graph: Graph, op: Weighted): { readonly weights: Tensor; readonly bias: Tensor } | null {
  const calls = op.kind === "CONV_2D" ? lowerConv(graph, op) : lowerDepthwise(graph, op);
  const call = calls.find(isWindowed);
  const channels = call && exactChannels(call);
  const nearest = channels && nearestTwoPart(channels, preferredShifts(call));
  if (!nearest || nearest.unsolved.length === 0) return null;
  const [input, weights, bias] = op.inputs.map((index) => graph.tensors[index]) as [
    Tensor,
    Tensor,
    Tensor | undefined,
  ];
  const scales = [...quantizationOf(weights).scales];
  if (!bias?.data || scales.length !== channels.length) return null;
  const biases = biasData(graph, op.inputs[2], channels.length);
  const inputScale = quantizationOf(input).scales[0]!;
  const outputScale = quantizationOf(tensorOf(graph, op.outputs[0]!)).scales[0]!;
  for (const c of nearest.unsolved) {
    const [channel, scale, old] = [channels[c]!, scales[c]!, biases[c]!];
    const isFound = DISTANCES.some((distance) => {
      const other = Math.fround(scale * (1 + distance));
      const factor = quantizeMultiplier((inputScale * other) / outputScale);
      const own = Math.round((old * scale) / other);
      if (!hasTwoPart({ ...channel, ...factor, bias: channel.bias + own - old }, nearest.shifts))
        return false;
      [scales[c], biases[c]] = [other, own];
      return true;
    });
    if (!isFound) return null;
  }
  const biasScales = scales.map((scale) => Math.fround(scale * inputScale));
  return {
    weights: withScales(weights, scales),
    bias: { ...withScales(bias, biasScales), data: new Uint8Array(biases.buffer) },
  };
}

/**
 * The graph with the scales of some channels of convolutions moved by at most 0.05 %, where all channels of an operator
 * have the chip's quick form then. Only scales and biases differ.
 *
 * @param graph int8, weights and bias of each convolution read by no other operator
 */
export function withChipScales(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  for (const op of graph.operators) {
    if (op.kind !== "CONV_2D" && op.kind !== "DEPTHWISE_CONV_2D") continue;
    const found = moved(graph, op);
    if (found === null) continue;
    tensors[op.inputs[1]!] = found.weights;
    tensors[op.inputs[2]!] = found.bias;
  }
  return { ...graph, tensors };
}
