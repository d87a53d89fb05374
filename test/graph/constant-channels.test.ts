import { describe, expect, it } from "vitest";
import { checkInt8 } from "../../src/graph/check.ts";
import { graphCost } from "../../src/graph/cost.ts";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import type { Graph, Tensor } from "../../src/graph/graph.ts";
import { foldConstantChannels } from "../../src/graph/rewrites/constant-channels.ts";
import { channelRanges } from "../../src/graph/rewrites/ranges.ts";
import { loadModel } from "../../src/index.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { referenceRun } from "../reference/run.ts";
import { Random } from "../support/random.ts";
import { type RandomGraph, randomGraph } from "../support/random-graph.ts";
import { hasShared, readShared } from "../support/shared.ts";

/**
 * A random graph in which some output channels of convolutions have no weights, or weights and biases that drive them
 * into the clamp: what training with strong regularisation leaves behind.
 */
function withDeadChannels(seed: number): RandomGraph {
  const kinds = [
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "RESHAPE",
    "FULLY_CONNECTED",
    "ADD",
  ] as const;
  const { graph, inputs } = randomGraph(seed, { kinds });
  const random = new Random(seed);
  const tensors: Tensor[] = graph.tensors.slice();
  for (const { kind, inputs } of graph.operators) {
    if (kind !== "CONV_2D" && kind !== "DEPTHWISE_CONV_2D") continue;
    const weights = tensors[inputs[1]!]!;
    const data = weights.data!.slice();
    const channels = kind === "CONV_2D" ? weights.shape[0]! : weights.shape[3]!;
    const each = data.length / channels;
    for (let c = 0; c < channels; c++) {
      if (random.integer(0, 2) === 0) continue;
      for (let k = 0; k < each; k++) data[kind === "CONV_2D" ? c * each + k : k * channels + c] = 0;
    }
    tensors[inputs[1]!] = { ...weights, data };
  }
  return { graph: { ...graph, tensors }, inputs };
}

function channelsLost(graph: Graph): number {
  const { expansions } = foldConstantChannels(graph);
  return [...expansions.values()].flat().filter((value) => value !== null).length;
}

describe("channel ranges", () => {
  it("hold every value that is ever computed", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { graph, inputs } = withDeadChannels(seed);
      const ranges = channelRanges(graph);
      const contents = referenceRun(graph, inputs);
      for (const { outputs } of graph.operators) {
        const values = contents[outputs[0]!]!;
        const range = ranges[outputs[0]!]!;
        if (!(values instanceof Int8Array)) continue;
        const channels = range.low.length;
        const outside = values.findIndex(
          (q, i) => q < range.low[i % channels]! || q > range.high[i % channels]!,
        );
        expect(outside, `seed ${seed}, tensor ${outputs[0]}`).toBe(-1);
      }
    }
  });
});

describe("folding constant channels", () => {
  it("changes no output and no operator by a byte", async () => {
    let lost = 0;
    for (let seed = 0; seed < 400; seed++) {
      const { graph, inputs } = withDeadChannels(seed);
      lost += channelsLost(graph);
      checkInt8(foldConstantChannels(graph).graph);
      const contents = referenceRun(graph, inputs);
      for (const engine of ["scalar", "simd"] as const) {
        const model = await loadModel(compileGraph(graph), { engine });
        for (const { index, bytes, shape } of model.trace(inputs)) {
          const output = graph.operators[index]!.outputs[0]!;
          const expected = contents[output]!;
          const wanted = new Uint8Array(expected.buffer, expected.byteOffset, expected.byteLength);
          expect(shape).toEqual(graph.tensors[output]!.shape);
          expect(Buffer.compare(bytes, wanted), `seed ${seed}, ${engine}, operator ${index}`).toBe(0);
        }
        expect(model.runAll(inputs)).toEqual(
          (await loadModel(compileGraph(graph, { foldConstants: false }))).runAll(inputs),
        );
        model.dispose();
      }
    }
    expect(lost).toBeGreaterThan(400);
  });

  it.skipIf(!hasShared)(
    "takes 1,650 channels and nearly half of the work out of the reference VWW network",
    () => {
      const name = "vww_96_int8.tflite";
      const graph = graphFromTflite(readTflite(readShared("models", "mlperf-tiny", name), name), name);
      const ranges = channelRanges(graph);
      const convolutions = graph.operators.filter(
        ({ kind }) => kind === "CONV_2D" || kind === "DEPTHWISE_CONV_2D",
      );
      const constant = convolutions.reduce((sum, { outputs }) => {
        const { low, high } = ranges[outputs[0]!]!;
        return sum + low.filter((value, c) => value === high[c]).length;
      }, 0);
      const macs = graphCost(foldConstantChannels(graph).graph).macs;
      // The figures of an independent analysis: 1,650 of 2,738 channels, 3.92 of 7.49 million MACs left.
      expect({ constant, macs: (macs / 1e6).toFixed(2) }).toEqual({ constant: 1650, macs: "3.92" });
    },
  );
});
