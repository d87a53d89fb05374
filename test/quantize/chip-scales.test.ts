import { expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { compilePlan } from "../../src/plan/compile.ts";
import { exactChannels, isWindowed } from "../../src/plan/for-chip.ts";
import { withChipScales } from "../../src/quantize/chip-scales.ts";
import { quantizeGraph } from "../../src/quantize/quantize.ts";
import { dscnn } from "../../src/train/network/factories.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { randomInput, randomParameters } from "../support/networks.ts";
import { Random } from "../support/random.ts";

const CONVOLUTIONS = ["CONV_2D", "DEPTHWISE_CONV_2D"];

const NETWORK = dscnn({ filters: 48, blocks: 2 });

/** An int8 graph with channels of very different slopes, which is what makes shifts hard to share. */
function quantizedAtRandom(seed: number): Graph {
  const graph = quantizeGraph(
    graphFromNetwork(NETWORK, randomParameters(NETWORK, seed)),
    Array.from({ length: 4 }, (_, i) => randomInput(NETWORK, 100 * seed + i)),
  );
  const random = new Random(seed);
  const tensors = [...graph.tensors];
  for (const { kind, inputs } of graph.operators) {
    if (!CONVOLUTIONS.includes(kind)) continue;
    const weights = tensors[inputs[1]!]!;
    const scales = weights.quantization!.scales.map((scale) =>
      Math.fround(scale * 2 ** (4 * random.unit() - 2)),
    );
    tensors[inputs[1]!] = { ...weights, quantization: { ...weights.quantization!, scales } };
    const [input, bias] = [tensors[inputs[0]!]!, tensors[inputs[2]!]!];
    const products = scales.map((scale) => Math.fround(scale * input.quantization!.scales[0]!));
    tensors[inputs[2]!] = { ...bias, quantization: { ...bias.quantization!, scales: products } };
  }
  return { ...graph, tensors };
}

/** Of the graph's convolutions those without the chip's quick form. */
function slow(graph: Graph): number[] {
  const { operators } = compilePlan(graph, { foldConstants: false });
  return operators.flatMap(({ calls }, i) =>
    CONVOLUTIONS.includes(graph.operators[i]!.kind) &&
    calls.some((call) => isWindowed(call) && exactChannels(call) !== null)
      ? [i]
      : [],
  );
}

test("scales move by next to nothing, and all convolutions have the chip's quick form", () => {
  let found = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const before = quantizedAtRandom(seed);
    found += slow(before).length;
    const after = withChipScales(before);
    expect(slow(after)).toEqual([]);
    before.tensors.forEach((tensor, i) => {
      const other = after.tensors[i]!;
      if (tensor.data === null || other.dtype === "int8") expect(other.data).toBe(tensor.data);
      tensor.quantization?.scales.forEach((scale, c) => {
        expect(Math.abs(other.quantization!.scales[c]! / scale - 1)).toBeLessThan(0.0005);
      });
    });
  }
  expect(found).toBeGreaterThan(3);
});

test("biases mean what they meant, and their scales are those of input and weights", () => {
  const values = ({ data }: Graph["tensors"][number]) => new Int32Array(new Uint8Array(data!).buffer);
  let moved = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const before = quantizedAtRandom(seed);
    const after = withChipScales(before);
    for (const { kind, inputs } of after.operators) {
      if (!CONVOLUTIONS.includes(kind)) continue;
      const [input, weights, bias] = inputs.map((index) => after.tensors[index]!);
      const oldScales = before.tensors[inputs[1]!]!.quantization!.scales;
      const oldBias = values(before.tensors[inputs[2]!]!);
      const inputScale = input!.quantization!.scales[0]!;
      values(bias!).forEach((value, c) => {
        const scale = weights!.quantization!.scales[c]!;
        expect(bias!.quantization!.scales[c]).toBe(Math.fround(scale * inputScale));
        expect(Math.abs(value * scale - oldBias[c]! * oldScales[c]!)).toBeLessThanOrEqual(scale / 2);
        if (scale !== oldScales[c]) moved++;
      });
    }
  }
  expect(moved).toBeGreaterThan(3);
});
