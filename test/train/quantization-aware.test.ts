import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { quantizeOnSet } from "../../src/quantize/from-set.ts";
import { quantizeValue } from "../../src/quantize/ranges.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { readNetwork } from "../../src/train/checkpoint.ts";
import { logitsOf } from "../../src/train/evaluate.ts";
import { train } from "../../src/train/loop.ts";
import { graphFromNetwork } from "../../src/train/network/to-graph.ts";
import { Network } from "../../src/train/network.ts";
import {
  FakeQuantizer,
  fakeQuantize,
  fakeQuantizeWeights,
  prepareQuantizationAware,
} from "../../src/train/quantization-aware.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { randomParameters, SHORT_TRAINING, smallNetwork, stripeSet } from "../support/networks.ts";

const NETWORK = smallNetwork({
  stride: 2,
  blocks: [8],
  last: [
    { kind: "pointwise", name: "beside", filters: 8, bias: true },
    { kind: "add", name: "sum", other: "block1/pointwise/relu" },
    { kind: "relu", name: "sum/relu" },
  ],
});
const data = stripeSet();
const CALIBRATION = { calibration: 40, seed: 1 };
const folder = temporaryFolder().fresh();

beforeAll(async () => {
  await trainingBackend();
});

const values = (tensor: tf.Tensor) => [...tensor.dataSync<"float32">()];

test("activations are rounded as int8 ones, and the gradient passes in range", () => {
  const affine = { scale: 0.5, zeroPoint: -100 };
  const x = [-20, -13.9, -0.3, 0, 0.2, 0.3, 113.4, 113.6, 200];
  const rounded = tf.tidy(() => values(fakeQuantize(tf.tensor1d(x), affine)));
  expect(rounded).toEqual(x.map((value) => 0.5 * (quantizeValue(value, affine) + 100)));
  const gradient = tf.tidy(() => values(tf.grad((t) => fakeQuantize(t, affine))(tf.tensor1d(x))));
  expect(gradient).toEqual([0, 1, 1, 1, 1, 1, 1, 0, 0]);
});

test("weights have a scale for each channel, or one, and zeros stay zeros", () => {
  const weights = tf.tensor2d([
    [127, 0.1, 0],
    [-63.4, -12.7, 0],
  ]);
  const each = tf.tidy(() => values(fakeQuantizeWeights(weights, 1)));
  [127, 0.1, 0, -63, -12.7, 0].forEach((wanted, i) => {
    expect(each[i]).toBeCloseTo(wanted, 4);
  });
  expect(tf.tidy(() => values(fakeQuantizeWeights(weights, null)))).toEqual([127, 0, 0, -63, -13, 0]);
  const gradient = tf.tidy(() => values(tf.grad((w) => fakeQuantizeWeights(w, 1))(weights)));
  expect(gradient).toEqual([1, 1, 1, 1, 1, 1]);
  weights.dispose();
});

/** Logits of the int8 model, in real numbers, for all validation examples. */
async function int8Logits(network: Network, affines: Record<string, { scale: number; zeroPoint: number }>) {
  const graph = graphFromNetwork(network.description, network.parameters());
  const options = { affines, weights: "max", biasCorrection: false } as const;
  const { int8, model } = await quantizeOnSet(graph, data, CALIBRATION, options, "int8");
  const index = int8.operators.length - 2;
  const { scales, zeroPoints } = int8.tensors[int8.operators[index]!.outputs[0]!]!.quantization!;
  const { validation } = data;
  return Array.from({ length: validation.count }, (_, i) => {
    const input = new Float32Array(64);
    validation.write(i, input, 0, null);
    const { bytes } = model.trace(input)[index]!;
    const stored = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    return [...stored].map((q) => scales[0]! * (q - zeroPoints[0]!));
  }).flat();
}

test("a network that rounds gives what its int8 form gives, before training and after it", async () => {
  const prepared = await prepareQuantizationAware(NETWORK, randomParameters(NETWORK, 5), data, CALIBRATION);
  const { description, affines } = prepared;
  expect(description.layers.some(({ kind }) => kind === "batchNorm")).toBe(false);
  const network = new Network(description, prepared.parameters);
  const step = affines.dense!.scale;
  const difference = async () => {
    const wanted = await int8Logits(network, affines);
    return logitsOf(network, data.validation).reduce((sum, v, i) => sum + Math.abs(v - wanted[i]!), 0);
  };
  const plain = await difference();
  network.fakeQuantizer = new FakeQuantizer(description, affines);
  // Ties are rounded otherwise, in averages above all, so that some logits are a step away.
  const limit = 0.4 * step * 2 * data.validation.count;
  expect(plain).toBeGreaterThan(2 * limit);
  expect(await difference()).toBeLessThan(limit);

  const schedule = { kind: "cosine", rate: 0.003, warmup: 0 } as const;
  const options = { ...SHORT_TRAINING, seed: 1, schedule, average: 0.5 };
  const before = tf.memory().numTensors;
  const result = await train(network, data, folder, options, {
    identity: { quantizationAware: { affines } },
  });
  expect(tf.memory().numTensors).toBe(before);
  expect(result.bestAccuracy).toBeGreaterThan(0.9);
  const best = await readNetwork(join(folder, "best.ckpt"));
  expect(best.origin).toMatchObject({ quantizationAware: { affines } });
  network.assign(best.parameters);
  expect(await difference()).toBeLessThan(limit);
  network.dispose();
});
