import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type BatchNormActivation, batchNormTrain } from "../../src/train/batch-norm.ts";
import { Random } from "../support/random.ts";
import { expectNumerical, expectSame, normalValues, startBackends } from "./backends.ts";

beforeAll(startBackends);

const SHAPES = [
  [2, 25, 5, 64],
  [3, 7, 5, 8],
  [5, 3, 3, 10],
  [7, 3],
  [2, 3, 3, 1],
  [130, 66],
  [40, 2, 2, 13],
];

const normalise = (activation: BatchNormActivation) => (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
  batchNormTrain(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-3, activation).y;

function inputsOf(shape: number[], seed: number) {
  const random = new Random(seed);
  const channels = shape.at(-1)!;
  const x = normalValues(random, shape, 3);
  // Channels far from zero: the mean must not swallow the variance.
  const offsets = normalValues(random, [channels], 20).values;
  x.values.forEach((_, i) => {
    x.values[i]! += offsets[i % channels]!;
  });
  return [x, normalValues(random, [channels]), normalValues(random, [channels])];
}

describe.each(["none", "relu", "relu6"] as const)("batch normalisation with activation %s", (activation) => {
  it.each(SHAPES.map((shape) => [shape]))("%j: as the cpu backend", async (shape) => {
    await expectSame(normalise(activation), inputsOf(shape, 1));
  });
});

describe("batch normalisation", () => {
  // No activation: a ReLU's kink spoils the difference quotient.
  it.each(SHAPES.map((shape) => [shape]))("%j: gradients are numerical ones", async (shape) => {
    await expectNumerical(normalise("none"), inputsOf(shape, 2), { step: 0.02, tolerance: 1e-3 });
  });

  it.each(["wasm", "cpu"] as const)("%s: statistics are those of the batch, in float64", async (backend) => {
    await tf.setBackend(backend);
    const [x, gamma, beta] = inputsOf([6, 5, 4, 7], 3);
    const result = batchNormTrain(
      tf.tensor(x!.values, x!.shape),
      tf.tensor1d(gamma!.values),
      tf.tensor1d(beta!.values),
      1e-3,
      "relu",
    );
    const rows = x!.values.length / 7;
    const y = result.y.dataSync();
    for (let c = 0; c < 7; c++) {
      const column = Array.from({ length: rows }, (_, r) => x!.values[r * 7 + c]!);
      const mean = column.reduce((a, b) => a + b) / rows;
      const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / rows;
      expect(result.mean.dataSync()[c]).toBeCloseTo(mean, 4);
      expect(result.variance.dataSync()[c]! / variance).toBeCloseTo(1, 4);
      const scale = gamma!.values[c]! / Math.sqrt(variance + 1e-3);
      column.forEach((value, r) => {
        expect(y[r * 7 + c]).toBeCloseTo(Math.max(0, (value - mean) * scale + beta!.values[c]!), 3);
      });
    }
  });

  it("a mean a thousand deviations away leaves the variance right", async () => {
    await tf.setBackend("wasm");
    const random = new Random(4);
    const values = Float32Array.from({ length: 4000 }, () => 1000 + random.normal());
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    const result = batchNormTrain(tf.tensor(values, [4000, 1]), tf.ones([1]), tf.zeros([1]));
    expect(result.variance.dataSync()[0]! / variance).toBeCloseTo(1, 4);
  });

  it.each(["wasm", "cpu"] as const)("%s: no gradient flows through the statistics", async (backend) => {
    await tf.setBackend(backend);
    const x = tf.randomNormal([5, 3], 0, 1, "float32", 1);
    const throughAll = (t: tf.Tensor) => {
      const { y, mean, variance } = batchNormTrain(t, tf.ones([3]), tf.zeros([3]));
      return tf.add(tf.sum(tf.square(y)), tf.sum(tf.add(mean, variance))) as tf.Scalar;
    };
    const throughOutput = (t: tf.Tensor) =>
      tf.sum(tf.square(batchNormTrain(t, tf.ones([3]), tf.zeros([3])).y)) as tf.Scalar;
    const [all, output] = [tf.grad(throughAll)(x).dataSync(), tf.grad(throughOutput)(x).dataSync()];
    expect([...all]).toEqual([...output]);
  });

  it("NaN stays visible", async () => {
    await tf.setBackend("wasm");
    const x = tf.tensor2d([Number.NaN, 1, 2, 3], [4, 1]);
    const { y } = batchNormTrain(x, tf.ones([1]), tf.zeros([1]), 1e-3, "relu");
    expect([...y.dataSync()].every(Number.isNaN)).toBe(true);
  });

  it("refuses parameters of another size", () => {
    const x = tf.ones([2, 3]);
    expect(() => batchNormTrain(x, tf.ones([2]), tf.zeros([3]))).toThrow("one value a channel");
  });
});
