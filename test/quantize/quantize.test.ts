import { describe, expect, test } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { loadModel } from "../../src/index.ts";
import { compareAccuracy, signalToNoise } from "../../src/quantize/compare.ts";
import { FloatModel } from "../../src/quantize/float-model.ts";
import { type QuantizeOptions, quantizeGraph } from "../../src/quantize/quantize.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { dscnn, mobilenetV1, resnet8 } from "../../src/train/network/factories.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { referenceRun } from "../reference/run.ts";
import { randomInput, randomParameters } from "../support/networks.ts";
import { hasShared, readShared } from "../support/shared.ts";

const write = (graph: Graph) => writeTflite(tfliteFromGraph(graph));

const NETWORKS: readonly NetworkDescription[] = [
  dscnn({ filters: 7, blocks: 2 }),
  mobilenetV1({ alpha: 0.1, size: 32 }),
  resnet8({ filters: 4, size: 16 }),
];

const inputsFor = (network: NetworkDescription, count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => randomInput(network, seed + i));

function quantized(network: NetworkDescription, options: QuantizeOptions = {}, count = 24) {
  const graph = graphFromNetwork(network, randomParameters(network, 3));
  return { graph, int8: quantizeGraph(graph, inputsFor(network, count, 100), options) };
}

const real = (graph: Graph, index: number, stored: ArrayLike<number>) => {
  const { scales, zeroPoints } = graph.tensors[index]!.quantization!;
  return Float32Array.from(stored, (q) => scales[0]! * (q - zeroPoints[0]!));
};

describe("quantizeGraph", () => {
  test.each(NETWORKS)("$name stays close to float after every operator", async (network) => {
    const { graph, int8 } = quantized(network);
    const model = await loadModel(write(int8));
    const noise = signalToNoise(new FloatModel(graph), int8, model, inputsFor(network, 8, 900));
    expect(noise.map(({ index }) => index)).toEqual(int8.operators.map((_, i) => i));
    for (const { decibels } of noise) expect(decibels).toBeGreaterThan(18);
    expect(noise[0]!.decibels).toBeGreaterThan(30);
  });

  test.each(NETWORKS)(
    "$name: the runtime gives what plain evaluation of the int8 graph gives",
    async (network) => {
      const { int8 } = quantized(network);
      const back = graphFromTflite(readTflite(write(int8), "back"), "back");
      const model = await loadModel(write(int8));
      for (const input of inputsFor(network, 3, 500)) {
        const { scale, zeroPoint } = model.inputs[0]!;
        const stored = Int8Array.from(input, (value) =>
          Math.max(-128, Math.min(127, Math.round(value / scale) + zeroPoint)),
        );
        expect(model.run(stored)).toEqual(referenceRun(back, [stored])[back.outputs[0]!]);
      }
    },
  );

  test("weights have a scale for each channel and lie within half a step", () => {
    const { graph, int8 } = quantized(NETWORKS[0]!, { weights: "max" });
    const float = new FloatModel(graph);
    int8.operators.forEach((op, i) => {
      if (op.inputs.length !== 3) return;
      const { data, quantization, shape } = int8.tensors[op.inputs[1]!]!;
      const channels = shape[quantization!.axis]!;
      const isDense = op.kind === "FULLY_CONNECTED";
      expect(quantization!.scales).toHaveLength(isDense ? 1 : channels);
      const stored = new Int8Array(data!.buffer, data!.byteOffset, data!.length);
      const wanted = float.constant(graph.operators[i]!.inputs[1]!)!;
      const inner = stored.length / channels;
      const channelOf = (j: number) =>
        isDense ? 0 : op.kind === "DEPTHWISE_CONV_2D" ? j % channels : Math.floor(j / inner);
      stored.forEach((q, j) => {
        const scale = quantization!.scales[channelOf(j)]!;
        expect(Math.abs(q * scale - wanted[j]!)).toBeLessThanOrEqual(0.501 * scale);
      });
    });
  });

  test("biases have the scale input times weights", () => {
    const { int8 } = quantized(NETWORKS[2]!);
    for (const op of int8.operators) {
      if (op.inputs.length !== 3) continue;
      const [x, weights, bias] = op.inputs.map((index) => int8.tensors[index]!);
      expect(bias!.dtype).toBe("int32");
      const wanted = weights!.quantization!.scales.map((s) => Math.fround(s * x!.quantization!.scales[0]!));
      expect(bias!.quantization!.scales).toEqual(wanted);
    }
  });

  test("correcting biases makes the mean error of channels smaller", () => {
    const network = NETWORKS[1]!;
    const inputs = inputsFor(network, 24, 100);
    // Of the layer that errors of all before it have come together in.
    const meanError = (biasCorrection: boolean) => {
      const { graph, int8 } = quantized(network, { biasCorrection, range: "minmax" });
      const last = graph.operators.findLastIndex(({ kind }) => kind === "CONV_2D");
      const channels = graph.tensors[graph.operators[last]!.outputs[0]!]!.shape.at(-1)!;
      const sums = new Float64Array(channels);
      const float = new FloatModel(graph);
      for (const input of inputs) {
        const { scales, zeroPoints } = int8.tensors[int8.inputs[0]!]!.quantization!;
        const stored = Int8Array.from(input, (value) =>
          Math.max(-128, Math.min(127, Math.round(value / scales[0]!) + zeroPoints[0]!)),
        );
        const output = int8.operators[last]!.outputs[0]!;
        const found = real(int8, output, referenceRun(int8, [stored])[output] as Int8Array);
        float.trace(input)[last]!.forEach((value, i) => {
          sums[i % channels]! += value - found[i]!;
        });
      }
      return sums.reduce((total, sum) => total + Math.abs(sum), 0);
    };
    expect(meanError(true)).toBeLessThan(0.6 * meanError(false));
  });

  test("takes the input's scale that is given, and a softmax's own", () => {
    const input = { scale: Math.fround(1 / 255), zeroPoint: -128 };
    const { int8 } = quantized(NETWORKS[0]!, { input });
    expect(int8.tensors[int8.inputs[0]!]!.quantization).toMatchObject({
      scales: [input.scale],
      zeroPoints: [-128],
    });
    expect(int8.tensors[int8.outputs[0]!]!.quantization).toMatchObject({
      scales: [1 / 256],
      zeroPoints: [-128],
    });
  });

  test("a dead channel and one with a bias far beyond its weights are kept in range", async () => {
    const network = dscnn({ filters: 4, blocks: 1 });
    const parameters = new Map(randomParameters(network, 3));
    const weights = parameters.get("conv1/weights")!.values;
    for (let i = 0; i < weights.length; i += 4) [weights[i], weights[i + 1]] = [0, 1e-12];
    parameters.get("conv1/bn/beta")!.values[1] = 5;
    const graph = graphFromNetwork(network, parameters);
    const int8 = quantizeGraph(graph, inputsFor(network, 8, 100));
    const model = await loadModel(write(int8));
    const noise = signalToNoise(new FloatModel(graph), int8, model, inputsFor(network, 4, 900));
    expect(noise[0]!.decibels).toBeGreaterThan(25);
  });
});

describe("compareAccuracy", () => {
  test("counts what both get right", async () => {
    const network = NETWORKS[0]!;
    const { graph, int8 } = quantized(network);
    const float = new FloatModel(graph);
    const model = await loadModel(write(int8));
    const inputs = inputsFor(network, 12, 700);
    const top = (values: ArrayLike<number>) => Array.from(values).indexOf(Math.max(...Array.from(values)));
    // Labels are float's answers, but for the first three, which are wrong.
    const labels = Uint16Array.from(inputs, (input, i) => (top(float.run(input)) + (i < 3 ? 1 : 0)) % 12);
    const examples = {
      count: inputs.length,
      labels,
      write: (index: number, out: Float32Array, offset: number) => out.set(inputs[index]!, offset),
    };
    const same = inputs.filter((input) => top(model.run(input)) === top(float.run(input))).length;
    const result = compareAccuracy(float, model, examples);
    expect(result).toMatchObject({ count: 12, floatAccuracy: 9 / 12, agreement: same / 12 });
    const right = inputs.filter((input, i) => top(model.run(input)) === labels[i]).length;
    expect(result.int8Accuracy).toBe(right / 12);
  });
});

describe("what cannot be quantised", () => {
  const network = NETWORKS[0]!;
  const graph = graphFromNetwork(network, randomParameters(network, 3));
  const input = randomInput(network, 1);

  test("calibration that is missing, wrong or not finite", () => {
    expect(() => quantizeGraph(graph, [])).toThrow("dscnn-7x2: there are no calibration examples");
    expect(() => quantizeGraph(graph, [input, input.subarray(1)])).toThrow(
      "dscnn-7x2: calibration example 1 must be 490 finite numbers",
    );
    const broken = input.slice();
    broken[7] = Number.NaN;
    expect(() => quantizeGraph(graph, [broken])).toThrow("calibration example 0 must be 490 finite numbers");
  });

  test("a graph that is int8 already", () => {
    const { int8 } = quantized(network, {}, 2);
    expect(() => quantizeGraph(int8, [input])).toThrow(
      /cannot be quantised:\n {2}operator 0 \(CONV_2D\): has int8 activations; supported: float32/,
    );
  });

  test("an operator that has no float form here", () => {
    const operators = graph.operators.map((op) =>
      op.kind === "RESHAPE" ? ({ ...op, kind: "QUANTIZE" } as const) : op,
    );
    expect(() => quantizeGraph({ ...graph, operators }, [input])).toThrow(
      /operator 6 \(QUANTIZE\): supported: CONV_2D, DEPTHWISE_CONV_2D/,
    );
  });
});

describe.skipIf(!hasShared)("the reference VWW network", () => {
  test("answers on real pictures as in float, at least as near as the reference int8 model", async () => {
    const load = (file: string) => readShared("models", "mlperf-tiny", file);
    const graph = graphFromTflite(readTflite(load("vww_96_float.tflite"), "vww"), "vww");
    const float = new FloatModel(graph);
    const lines = new TextDecoder()
      .decode(readShared("data", "vww01", "y_labels.csv"))
      .trim()
      .split("\n");
    const pixels = lines.map((line) => readShared("data", "vww01", line.split(",")[0]!)).slice(0, 48);
    const pictures = pixels.map((bytes) => Float32Array.from(bytes, (pixel) => Math.fround(pixel / 255)));
    // Half of them calibrate and the other half is compared; nothing is trained.
    const affine = { scale: Math.fround(1 / 255), zeroPoint: -128 };
    const int8 = quantizeGraph(graph, pictures.slice(24), { input: affine });
    const [ours, theirs] = [await loadModel(write(int8)), await loadModel(load("vww_96_int8.tflite"))];
    const error = (model: typeof ours) =>
      pixels.slice(0, 24).reduce((sum, bytes, i) => {
        const person = (model.run(Int8Array.from(bytes, (pixel) => pixel - 128))[1]! + 128) / 256;
        return sum + Math.abs(person - float.run(pictures[i]!)[1]!);
      }, 0) / 24;
    expect(error(ours)).toBeLessThan(0.02);
    expect(error(ours)).toBeLessThan(1.1 * error(theirs));
  });
});
