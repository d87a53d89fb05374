import { beforeAll, describe, expect, test } from "vitest";
import { graphFromTflite } from "../../src/graph/from-tflite.ts";
import { tfliteFromGraph } from "../../src/graph/to-tflite.ts";
import { FloatModel } from "../../src/quantize/float-model.ts";
import { readTflite } from "../../src/tflite/read.ts";
import { writeTflite } from "../../src/tflite/write.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { networkFromGraph } from "../../src/train/import-tflite.ts";
import { networkCost } from "../../src/train/network/description.ts";
import { dscnn, mobilenetV1, resnet8 } from "../../src/train/network/factories.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { Network } from "../../src/train/network.ts";
import { randomInput, randomParameters } from "../support/networks.ts";
import { hasShared, readShared } from "../support/shared.ts";

let tf: Awaited<ReturnType<typeof trainingBackend>>["tf"];
beforeAll(async () => {
  ({ tf } = await trainingBackend());
});

function probabilities(network: Network, input: Float32Array): Float32Array {
  return tf.tidy(() =>
    tf
      .softmax(network.forward(tf.tensor(input, [1, ...network.description.inputShape])))
      .dataSync<"float32">(),
  );
}

test.each([
  dscnn({ filters: 6, blocks: 2 }),
  mobilenetV1({ alpha: 0.1, size: 32 }),
  resnet8({ filters: 4, size: 16 }),
])("$name: what is exported as .tflite comes back as a network that computes the same", (network) => {
  const graph = graphFromNetwork(network, randomParameters(network, 1));
  const file = writeTflite(tfliteFromGraph(graph));
  const back = networkFromGraph(graphFromTflite(readTflite(file, "back"), "back.tflite"));
  expect(back.description.name).toBe("back");
  expect(networkCost(back.description)).toMatchObject({
    macs: networkCost(network).macs,
    parameters: networkCost(network).parameters,
  });
  const input = randomInput(network, 2);
  const live = new Network(back.description, back.parameters);
  const found = probabilities(live, input);
  live.dispose();
  const wanted = new FloatModel(graph).run(input);
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5);
  });
});

describe.skipIf(!hasShared)("reference models", () => {
  const load = (file: string) =>
    graphFromTflite(readTflite(readShared("models", "mlperf-tiny", file), file), file);

  test("the float VWW network, on real pictures", () => {
    const graph = load("vww_96_float.tflite");
    const { description, parameters } = networkFromGraph(graph);
    expect(networkCost(description)).toMatchObject({ macs: 7489664, parameters: 210850 });
    expect(description.layers.map(({ name }) => name)).toContain("block13/pointwise/relu");
    const float = new FloatModel(graph);
    const live = new Network(description, parameters);
    const lines = new TextDecoder()
      .decode(readShared("data", "vww01", "y_labels.csv"))
      .trim()
      .split("\n");
    const answers = lines.slice(0, 12).map((line) => {
      const pixels = readShared("data", "vww01", line.split(",")[0]!);
      const input = Float32Array.from(pixels, (pixel) => pixel / 255);
      const [found, wanted] = [probabilities(live, input), float.run(input)];
      expect(Math.abs(found[1]! - wanted[1]!)).toBeLessThan(2e-5);
      return found[1]! > 0.5;
    });
    live.dispose();
    expect(new Set(answers).size).toBe(2);
  });

  test("weights of a dynamic-range file become float, residual sums are kept", () => {
    for (const [file, macs] of [
      ["kws_ref_model_float32.tflite", 2656768],
      ["pretrainedResnet.tflite", 12501632],
    ] as const) {
      const graph = load(file);
      const { description, parameters } = networkFromGraph(graph);
      expect(networkCost(description).macs).toBe(macs);
      const input = randomInput(description, 4);
      const live = new Network(description, parameters);
      const [found, wanted] = [probabilities(live, input), new FloatModel(graph).run(input)];
      live.dispose();
      found.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5);
      });
    }
  });

  test("what cannot be trained is named", () => {
    expect(() => networkFromGraph(load("vww_96_int8.tflite"))).toThrow(
      /vww_96_int8\.tflite: operator 0 \(CONV_2D\): gives int8; supported: networks in float32/,
    );
    expect(() => networkFromGraph(load("ad01_fp32.tflite"))).toThrow(
      /ad01_fp32\.tflite: supported: one input/,
    );
  });
});
