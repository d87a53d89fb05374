import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Adam } from "../../src/train/adam.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { batchNormTrain } from "../../src/train/batch-norm.ts";
import { dropout } from "../../src/train/dropout.ts";
import { registerTrainingKernels } from "../../src/train/kernels/register.ts";

beforeAll(() => trainingBackend("wasm"));
afterAll(() => tf.disposeVariables());

it("an epoch leaves nothing behind: tensors, buffers, bytes, memory of the module", async () => {
  const heap = await registerTrainingKernels();
  const variables = {
    conv: tf.variable(tf.randomNormal([3, 3, 3, 8], 0, 0.3), true, "conv"),
    depthwise: tf.variable(tf.randomNormal([3, 3, 8, 1], 0, 0.3), true, "depthwise"),
    wide: tf.variable(tf.randomNormal([2, 2, 8, 1], 0, 0.3), true, "wide"),
    pointwise: tf.variable(tf.randomNormal([1, 1, 8, 12], 0, 0.3), true, "pointwise"),
    gamma: tf.variable(tf.ones([8]), true, "gamma"),
    beta: tf.variable(tf.zeros([8]), true, "beta"),
    dense: tf.variable(tf.randomNormal([12, 4], 0, 0.3), true, "dense"),
    bias: tf.variable(tf.zeros([4]), true, "bias"),
  } as const;
  const optimizer = new Adam(1e-3);
  const images = tf.randomNormal<tf.Rank.R4>([20, 12, 12, 3]);
  const labels = tf.oneHot(
    Array.from({ length: 20 }, (_, i) => i % 4),
    4,
  );
  const filter = (name: keyof typeof variables) => variables[name] as tf.Tensor as tf.Tensor4D;
  const vector = (name: keyof typeof variables) => variables[name] as tf.Tensor as tf.Tensor1D;

  const step = (seed: number) =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        let x = tf.conv2d(images, filter("conv"), 2, "same");
        x = batchNormTrain(x, vector("gamma"), vector("beta"), 1e-3, "relu6").y as tf.Tensor4D;
        x = dropout(tf.depthwiseConv2d(x, filter("depthwise"), 1, "same"), 0.2, seed);
        x = tf.relu(tf.depthwiseConv2d(x, filter("wide"), 2, "valid"));
        x = tf.avgPool(tf.conv2d(x, filter("pointwise"), 1, "same"), 2, 1, "valid");
        const logits = tf.add(tf.matMul(tf.mean(x, [1, 2]), variables.dense), variables.bias);
        return tf.losses.softmaxCrossEntropy(labels, logits) as tf.Scalar;
      });
      optimizer.applyGradients(grads);
      return value.dataSync()[0]!;
    });

  const first = step(0);
  for (let i = 1; i < 3; i++) step(i);
  const before = { ...tf.memory(), ids: tf.backend().numDataIds(), heap: heap.bytes };
  let last = 0;
  for (let i = 0; i < 60; i++) last = step(i);
  const after = { ...tf.memory(), ids: tf.backend().numDataIds(), heap: heap.bytes };
  expect(after).toEqual(before);
  expect(last).toBeLessThan(first);
  optimizer.dispose();
});

it("a tensor larger than can be addressed is an error, and nothing stays behind", async () => {
  await tf.setBackend("wasm");
  const x = tf.zeros<tf.Rank.R4>([1, 1, 1, 3]);
  const before = { ...tf.memory(), ids: tf.backend().numDataIds() };
  expect(() => tf.tile(x, [1, 2 ** 16, 2 ** 16, 1])).toThrow(/no memory for a tensor/);
  expect({ ...tf.memory(), ids: tf.backend().numDataIds() }).toEqual(before);
  x.dispose();
});

it("a full memory is an error, and nothing stays behind", async () => {
  const heap = await registerTrainingKernels();
  const before = tf.backend().numDataIds();
  const outputs: tf.TensorInfo[] = [];
  // 1 GiB each, none of it touched; the memory can never be more than 4 GiB.
  const fill = () => {
    for (let i = 0; i < 4; i++) outputs.push(heap.output([2 ** 28]));
  };
  expect(fill).toThrow(/no memory for a tensor \[268435456\], \d+ MiB are in use/);
  for (const { dataId } of outputs) tf.backend().disposeData(dataId);
  expect(tf.backend().numDataIds()).toBe(before);
});
