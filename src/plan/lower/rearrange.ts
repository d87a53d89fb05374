import { ThumbnetError } from "../../errors.ts";
import type { Graph, OperatorOf } from "../../graph/graph.ts";
import { elementCount } from "../../graph/shape.ts";
import type { KernelCall } from "../kernel-call.ts";
import { quantizeMultiplier } from "../multiplier.ts";
import { affineOf, integerData, tensorOf } from "./context.ts";
import { dimensionFields, mergeDimensions } from "./dimensions.ts";

/** One copy for each input: its rows into the rows of the output. */
export function lowerConcatenation(graph: Graph, op: OperatorOf<"CONCATENATION">): KernelCall[] {
  const { shape } = tensorOf(graph, op.outputs[0]!);
  const axis = op.options.axis < 0 ? op.options.axis + shape.length : op.options.axis;
  const rows = elementCount(shape.slice(0, axis));
  const outputStride = elementCount(shape.slice(axis));
  let byteOffset = 0;
  return op.inputs.map((index) => {
    const rowBytes = elementCount(tensorOf(graph, index).shape.slice(axis));
    const output = { tensor: op.outputs[0]!, byteOffset };
    byteOffset += rowBytes;
    return { kernel: "copy_s8", values: { input: { tensor: index }, output, rows, rowBytes, outputStride } };
  });
}

export function lowerPad(graph: Graph, op: OperatorOf<"PAD">): KernelCall[] {
  const { shape } = tensorOf(graph, op.inputs[0]!);
  const paddings = integerData(tensorOf(graph, op.inputs[1]!));
  const padded = shape.map((_, d) => paddings[2 * d]! + paddings[2 * d + 1]! > 0);
  // A padded dimension must stand alone: merge only neighbours that are not padded.
  const groups: { size: number; before: number; after: number }[] = [];
  shape.forEach((size, d) => {
    const last = groups.at(-1);
    if (!padded[d] && last && last.before + last.after === 0) last.size *= size;
    else if (padded[d]) groups.push({ size, before: paddings[2 * d]!, after: paddings[2 * d + 1]! });
    else groups.push({ size, before: 0, after: 0 });
  });
  if (groups.length > 4) {
    throw new ThumbnetError(`PAD of ${groups.length} separate dimensions, at most 4 are supported`);
  }
  while (groups.length < 4) groups.unshift({ size: 1, before: 0, after: 0 });
  const [d0, d1, d2, d3] = groups as [Extent, Extent, Extent, Extent];
  return [
    {
      kernel: "pad_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        ...dimensionFields([d0.size, d1.size, d2.size, d3.size]),
        before0: d0.before,
        before1: d1.before,
        before2: d2.before,
        before3: d3.before,
        after0: d0.after,
        after1: d1.after,
        after2: d2.after,
        after3: d3.after,
        value: affineOf(tensorOf(graph, op.outputs[0]!)).zeroPoint,
      },
    },
  ];
}

type Extent = { size: number; before: number; after: number };

/**
 * tflite-micro folds the division by the count into the multiplier: (m << k) / count, truncated, with k so
 * large that no bit is lost and none overflows.
 */
export function lowerMean(graph: Graph, op: OperatorOf<"MEAN">): KernelCall[] {
  const input = tensorOf(graph, op.inputs[0]!);
  const axes = integerData(tensorOf(graph, op.inputs[1]!)).map((a) => (a < 0 ? a + input.shape.length : a));
  const { dimensions, masks } = mergeDimensions(input.shape, [input.shape.map((_, d) => axes.includes(d))]);
  const count = input.shape.reduce((product, size, d) => (axes.includes(d) ? product * size : product), 1);
  const from = affineOf(input);
  const to = affineOf(tensorOf(graph, op.outputs[0]!));
  const { multiplier, shift } = meanMultiplier(from.scale / to.scale, count);
  return [
    {
      kernel: "mean_s8",
      values: {
        input: { tensor: op.inputs[0]! },
        output: { tensor: op.outputs[0]! },
        ...dimensionFields(dimensions),
        multiplier,
        shift,
        count,
        reduced: masks[0]!,
        inputZeroPoint: from.zeroPoint,
        outputZeroPoint: to.zeroPoint,
      },
    },
  ];
}

function meanMultiplier(real: number, count: number) {
  const { multiplier, shift } = quantizeMultiplier(real);
  const spare = Math.min(Math.floor(Math.log2(count)), 32, 31 + shift);
  return {
    multiplier: Number((BigInt(multiplier) << BigInt(spare)) / BigInt(count)),
    shift: shift - spare,
  };
}
