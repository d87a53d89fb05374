import { beforeAll, describe, expect, test } from "vitest";
import { FloatModel } from "../../src/quantize/float-model.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { type NetworkDescription, networkCost } from "../../src/train/network/description.ts";
import { dscnn, mobilenetV1, namedNetwork, resnet8 } from "../../src/train/network/factories.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { Network } from "../../src/train/network.ts";
import { randomInput, randomParameters } from "../support/networks.ts";

let tf: Awaited<ReturnType<typeof trainingBackend>>["tf"];
beforeAll(async () => {
  ({ tf } = await trainingBackend());
});

const RELU6_NETWORK: NetworkDescription = {
  name: "odd",
  inputShape: [7, 6, 3],
  layers: [
    { kind: "conv", name: "a", filters: 5, kernel: [3, 2], stride: [2, 1], padding: "VALID", bias: true },
    { kind: "batchNorm", name: "a/bn" },
    { kind: "relu", name: "a/relu", limit: 6 },
    { kind: "depthwise", name: "b", kernel: [3, 3], stride: [2, 2], padding: "SAME", bias: true },
    { kind: "averagePool", name: "c", kernel: [2, 2], stride: [1, 1], padding: "SAME" },
    { kind: "relu", name: "d" },
    { kind: "dense", name: "e", units: 4, bias: false },
  ],
};

const SMALL: readonly NetworkDescription[] = [
  dscnn({ filters: 6, blocks: 2 }),
  mobilenetV1({ alpha: 0.1, size: 32 }),
  resnet8({ filters: 4, size: 16 }),
  RELU6_NETWORK,
];

describe("what networks cost", () => {
  // As published: MLPerf Tiny's reference models, and the depth-pruning paper's Keras parameters.
  test.each([
    [dscnn(), 2656768, 22604, 24908],
    [mobilenetV1(), 7489664, 210850, 221794],
    [resnet8(), 12501632, 77706, null],
  ])("$name", (network, macs, parameters, keras) => {
    const cost = networkCost(network);
    expect(cost.macs).toBe(macs);
    expect(cost.parameters).toBe(parameters);
    if (keras !== null) expect(cost.kerasParameters).toBe(keras);
  });

  test("the exported graph has as many parameters", () => {
    for (const network of SMALL) {
      const { tensors } = graphFromNetwork(network, randomParameters(network, 1));
      const elements = tensors.reduce((sum, { data }) => sum + (data?.length ?? 0) / 4, 0);
      expect(elements).toBe(networkCost(network).parameters);
    }
  });
});

describe("the folded graph", () => {
  test.each(SMALL)("$name computes what the network computes in inference", (network) => {
    const parameters = randomParameters(network, 5);
    const input = randomInput(network, 6);
    const live = new Network(network, parameters);
    const wanted = tf.tidy(() =>
      tf.softmax(live.forward(tf.tensor(input, [1, ...network.inputShape]))).dataSync<"float32">(),
    );
    live.dispose();
    const found = new FloatModel(graphFromNetwork(network, parameters)).run(input);
    expect(found.length).toBe(wanted.length);
    found.forEach((value, i) => {
      expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5);
    });
    // The answer must depend on the input, or nothing is compared.
    const other = new FloatModel(graphFromNetwork(network, parameters)).run(randomInput(network, 7));
    expect(other).not.toEqual(found);
  });

  test("batch normalisation that follows no convolution is refused", () => {
    const network: NetworkDescription = {
      name: "late",
      inputShape: [4, 4, 2],
      layers: [
        { kind: "batchNorm", name: "norm" },
        { kind: "dense", name: "dense", units: 2, bias: true },
      ],
    };
    expect(() => graphFromNetwork(network, randomParameters(network, 1))).toThrow(/late: layer "norm"/);
  });
});

describe("forward", () => {
  test("in two halves gives what it gives at once", () => {
    const network = resnet8({ filters: 4, size: 16 });
    const live = new Network(network, randomParameters(network, 2));
    const input = randomInput(network, 3);
    const [whole, halves] = tf.tidy(() => {
      const x = tf.tensor(input, [1, ...network.inputShape]);
      const features = live.forward(x, { upTo: "stage2/relu" });
      expect(features.shape).toEqual([1, 8, 8, 8]);
      return [live.forward(x).dataSync(), live.forward(features, { after: "stage2/relu" }).dataSync()];
    });
    live.dispose();
    expect(halves).toEqual(whole);
  });

  test("cannot start behind what a layer reads", () => {
    const network = resnet8({ filters: 4, size: 16 });
    const live = new Network(network, randomParameters(network, 2));
    const x = tf.zeros([1, 16, 16, 4]);
    expect(() => live.forward(x, { after: "stage1/conv1/relu" })).toThrow(
      /layer "stage1\/add" reads what comes before/,
    );
    expect(() => live.forward(x, { after: "nowhere" })).toThrow(/no layer "nowhere"; there are: conv1/);
    live.dispose();
  });

  test("in training uses the batch's statistics and reports them", () => {
    const network = dscnn({ filters: 4, blocks: 1, dropout: 0 });
    const live = new Network(network, randomParameters(network, 2));
    const seen: string[] = [];
    const deviation = tf.tidy(() => {
      const x = tf.randomNormal([8, ...network.inputShape], 3, 2, "float32", 1);
      const training = { seed: 1, onStatistics: (layer: string) => seen.push(layer) };
      const y = live.forward(x, { training, upTo: "block1/depthwise/bn" });
      const { mean, variance } = tf.moments(y, [0, 1, 2]);
      const [gamma, beta] = ["gamma", "beta"].map((kind) => live.variable(`block1/depthwise/bn/${kind}`));
      const meanError = tf.max(tf.abs(tf.sub(mean, beta!)));
      const before = tf.moments(live.forward(x, { training, upTo: "block1/depthwise" }), [0, 1, 2]).variance;
      const wanted = tf.mul(tf.square(gamma!), tf.div(before, tf.add(before, 1e-3)));
      const squareError = tf.max(tf.abs(tf.sub(variance, wanted)));
      return [meanError.dataSync()[0]!, squareError.dataSync()[0]!];
    });
    live.dispose();
    expect(seen).toEqual(["conv1/bn", "block1/depthwise/bn", "conv1/bn"]);
    expect(deviation[0]).toBeLessThan(1e-4);
    expect(deviation[1]).toBeLessThan(1e-4);
  });
});

describe("descriptions that are wrong", () => {
  test("a name twice", () => {
    const relu = { kind: "relu", name: "relu" } as const;
    const network: NetworkDescription = { name: "twice", inputShape: [2, 2, 1], layers: [relu, relu] };
    expect(() => networkCost(network)).toThrow('twice: layer "relu" (relu): has a name that is taken');
  });

  test("a sum of different shapes", () => {
    const network: NetworkDescription = {
      name: "sum",
      inputShape: [2, 2, 1],
      layers: [
        { kind: "pointwise", name: "wide", filters: 2, bias: true },
        { kind: "add", name: "sum", other: "input" },
      ],
    };
    expect(() => networkCost(network)).toThrow(/layer "sum" \(add\): adds \[2,2,2\] and \[2,2,1\]/);
  });

  test("a window that does not fit", () => {
    const network: NetworkDescription = {
      name: "large",
      inputShape: [2, 2, 1],
      layers: [{ kind: "averagePool", name: "pool", kernel: [3, 3], stride: [1, 1], padding: "VALID" }],
    };
    expect(() => networkCost(network)).toThrow(/a VALID window of 3 does not fit/);
  });

  test("parameters that do not fit", () => {
    const small = dscnn({ filters: 4, blocks: 1 });
    const parameters = randomParameters(small, 1);
    expect(() => new Network(dscnn({ filters: 5, blocks: 1 }), parameters)).toThrow(
      /conv1\/weights has the shape \[10,4,1,4\], not \[10,4,1,5\]/,
    );
    expect(() => new Network(dscnn({ filters: 4, blocks: 2 }), parameters)).toThrow(
      /block2\/depthwise\/weights \[3,3,4,1\] is missing/,
    );
  });

  test("a name that is none", () => {
    expect(() => namedNetwork("alexnet", undefined, 2)).toThrow(
      'no network "alexnet"; there are: dscnn, mobilenetv1, resnet8',
    );
  });
});
