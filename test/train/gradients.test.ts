import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { Random } from "../support/random.ts";
import {
  expectNumerical,
  expectSame,
  normalValues,
  type Operator,
  startBackends,
  type Values,
} from "./backends.ts";

beforeAll(startBackends);

const random = new Random(1);
const some = (...shape: number[]) => normalValues(random, shape);
const map = (values: Values, f: (value: number) => number): Values => ({
  shape: values.shape,
  values: values.values.map(f),
});
/** Away from zero, so that no step crosses a kink or a pole there. */
const away = (...shape: number[]) => map(some(...shape), (v) => v + Math.sign(v) * 0.3);
const positive = (...shape: number[]) => map(some(...shape), (v) => Math.abs(v) + 0.3);

const CASES: [string, Operator, Values[]][] = [
  ["add, broadcast", (a, b) => tf.add(a, b), [some(2, 3, 4), some(3, 1)]],
  ["sub, broadcast", (a, b) => tf.sub(a, b), [some(4), some(2, 3, 4)]],
  ["mul, broadcast", (a, b) => tf.mul(a, b), [some(2, 1, 4), some(3, 1)]],
  ["div, broadcast", (a, b) => tf.div(a, b), [some(2, 3), away(3)]],
  ["maximum", (a, b) => tf.maximum(a, b), [some(4, 5), some(5)]],
  ["minimum", (a, b) => tf.minimum(a, b), [some(4, 5), some(5)]],
  ["squaredDifference", (a, b) => tf.squaredDifference(a, b), [some(4, 5), some(4, 1)]],
  ["addN", (a, b, c) => tf.addN([a, b, c]), [some(3), some(3), some(3)]],
  ["neg", (x) => tf.neg(x), [some(5)]],
  ["abs", (x) => tf.abs(x), [away(9)]],
  ["square", (x) => tf.square(x), [some(5)]],
  ["sqrt", (x) => tf.sqrt(x), [positive(5)]],
  ["rsqrt", (x) => tf.rsqrt(x), [positive(5)]],
  ["reciprocal", (x) => tf.reciprocal(x), [away(5)]],
  ["exp", (x) => tf.exp(x), [some(5)]],
  ["log", (x) => tf.log(x), [positive(5)]],
  ["log1p", (x) => tf.log1p(x), [positive(5)]],
  ["sigmoid", (x) => tf.sigmoid(x), [some(5)]],
  ["tanh", (x) => tf.tanh(x), [some(5)]],
  ["relu", (x) => tf.relu(x), [away(20)]],
  ["relu6", (x) => tf.relu6(x), [map(away(20), (v) => v * 4)]],
  ["clipByValue", (x) => tf.clipByValue(x, -0.1, 0.2), [away(20)]],
  ["cast and clone", (x) => tf.clone(tf.cast(x, "float32")), [some(5)]],
  ["where", (a, b) => tf.where(tf.tensor1d([true, false, true]), a, b), [some(3), some(3)]],
  ["softmax", (x) => tf.softmax(x), [some(4, 5)]],
  ["logSoftmax", (x) => tf.logSoftmax(x), [some(4, 5)]],
  ["sum", (x) => tf.sum(x, [0, 2]), [some(2, 3, 4)]],
  ["mean, kept", (x) => tf.mean(x, 1, true), [some(2, 3, 4)]],
  ["max", (x) => tf.max(x, 1), [some(5, 7)]],
  ["min", (x) => tf.min(x, 0, true), [some(5, 7)]],
  ["moments", (x) => tf.moments(x, [0, 1]).variance, [some(4, 3, 2)]],
  ["reshape", (x) => tf.reshape(x, [6, 2]), [some(3, 4)]],
  ["expandDims", (x) => tf.expandDims(x, 1), [some(3, 4)]],
  ["transpose", (x) => tf.transpose(x, [2, 0, 1]), [some(2, 3, 4)]],
  [
    "pad",
    (x) =>
      tf.pad(x, [
        [1, 2],
        [0, 3],
      ]),
    [some(3, 4)],
  ],
  ["slice", (x) => tf.slice(x, [1, 0], [2, -1]), [some(4, 5)]],
  ["reverse", (x) => tf.reverse(x, 1), [some(3, 4)]],
  ["tile", (x) => tf.tile(x, [2, 3, 1]), [some(2, 3, 2)]],
  ["concat", (a, b) => tf.concat([a, b], 1), [some(2, 3), some(2, 4)]],
  ["split", (x) => tf.mul(...(tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor])), [some(3, 4)]],
  ["stack", (a, b) => tf.stack([a, b], 1), [some(2, 3), some(2, 3)]],
  ["unstack", (x) => tf.mul(...(tf.unstack(x, 1) as [tf.Tensor, tf.Tensor])), [some(3, 2)]],
  ["matMul, a batch against one", (a, b) => tf.matMul(a, b), [some(3, 2, 4), some(1, 4, 5)]],
  ["maxPool", (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, "valid"), [some(1, 4, 6, 2)]],
];

describe("gradients", () => {
  it.each(CASES)("%s: numerical ones, on both backends the same", async (_, operator, inputs) => {
    await expectNumerical(operator, inputs, { step: 1e-2, tolerance: 2e-3, backend: "cpu" });
    await expectNumerical(operator, inputs, { step: 1e-2, tolerance: 2e-3 });
    await expectSame(operator, inputs);
  });

  it.each([
    ["step", (x) => tf.step(x)],
    ["sign", (x) => tf.sign(x)],
    ["round", (x) => tf.round(x)],
    ["floor", (x) => tf.floor(x)],
    ["zerosLike", (x) => tf.zerosLike(x)],
    ["onesLike", (x) => tf.onesLike(x)],
  ] satisfies [string, Operator][])("of %s is zero", async (_, operator) => {
    await tf.setBackend("wasm");
    expect([
      ...tf
        .grad(operator)(tf.tensor1d([-1.2, 0.4, 3]))
        .dataSync(),
    ]).toEqual([0, 0, 0]);
  });

  it("of a dilated convolution is refused", async () => {
    await tf.setBackend("wasm");
    const filter = tf.ones<tf.Rank.R4>([2, 2, 1, 1]);
    const run = (x: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter, 1, "same", "NHWC", 2);
    expect(() => tf.grad(run)(tf.ones([1, 5, 5, 1]))).toThrow("no gradient with dilations");
  });
});
