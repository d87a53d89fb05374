import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { Random } from "../support/random.ts";
import {
  evaluate,
  expectNumerical,
  expectSame,
  normalValues,
  type Operator,
  relativeError,
  startBackends,
} from "./backends.ts";

beforeAll(startBackends);

type Pad = "same" | "valid" | number | [[0, 0], [number, number], [number, number], [0, 0]];

/** input [N, H, W, C], kernel [KH, KW], output channels or multiplier, strides, padding */
type Case = [number[], [number, number], number, [number, number], Pad];

async function check(operator: Operator, inputs: Parameters<typeof expectSame>[1]): Promise<void> {
  await expectSame(operator, inputs);
  await expectNumerical(operator, inputs);
}

describe("convolution", () => {
  const cases: Case[] = [
    [[2, 49, 10, 1], [10, 4], 64, [2, 2], "same"],
    [[2, 49, 10, 1], [10, 4], 12, [2, 1], "same"],
    [[2, 9, 7, 3], [3, 3], 8, [1, 1], "same"],
    [[3, 12, 12, 3], [3, 3], 8, [2, 2], "same"],
    [[2, 8, 9, 16], [3, 3], 20, [1, 1], "same"],
    [[2, 8, 9, 17], [3, 3], 5, [2, 1], "valid"],
    [[1, 5, 6, 64], [3, 3], 9, [1, 1], "valid"],
    [[2, 7, 5, 6], [1, 1], 10, [2, 2], "same"],
    [
      [2, 7, 5, 6],
      [2, 5],
      3,
      [3, 2],
      [
        [0, 0],
        [1, 2],
        [3, 0],
        [0, 0],
      ],
    ],
    [[1, 4, 4, 2], [5, 5], 3, [1, 1], "same"],
    [[1, 1, 1, 1], [1, 1], 1, [1, 1], "valid"],
    // As many pixels out as in, but not the same ones.
    [
      [1, 3, 3, 4],
      [1, 1],
      5,
      [2, 1],
      [
        [0, 0],
        [1, 1],
        [0, 0],
        [0, 0],
      ],
    ],
  ];
  it.each(cases)("%j, kernel %j, to %i channels, strides %j, %j", async (shape, kernel, to, strides, pad) => {
    const random = new Random(1);
    const filter = normalValues(random, [...kernel, shape[3]!, to], 0.5);
    const convolve: Operator = (x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, strides, pad);
    await check(convolve, [normalValues(random, shape), filter]);
  });

  it.each([
    [5, 7],
    [64, 64],
    [13, 8],
    [3, 66],
    [130, 1],
    [1, 12],
  ])("pointwise, %i to %i channels", async (from, to) => {
    const random = new Random(2);
    const inputs = [normalValues(random, [3, 5, 7, from]), normalValues(random, [1, 1, from, to], 0.3)];
    await check((x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, "same"), inputs);
  });

  it("dilated, forward", async () => {
    const random = new Random(3);
    const [x, f] = [normalValues(random, [2, 9, 8, 3]), normalValues(random, [3, 2, 3, 5])];
    const run = () =>
      tf.tidy(() =>
        tf
          .conv2d(
            tf.tensor4d(x.values, x.shape as [number, number, number, number]),
            tf.tensor4d(f.values, f.shape as [number, number, number, number]),
            1,
            "same",
            "NHWC",
            [2, 3],
          )
          .dataSync<"float32">(),
      );
    await tf.setBackend("cpu");
    const expected = run();
    await tf.setBackend("wasm");
    const actual = run();
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 4);
    });
  });

  it("says what does not fit", async () => {
    await tf.setBackend("wasm");
    const run = () => tf.conv2d(tf.zeros<tf.Rank.R4>([1, 2, 2, 1]), tf.zeros([3, 3, 1, 1]), 1, "valid");
    expect(run).toThrow("convolution: the kernel 3x3 does not fit the input 2x2");
  });
});

describe("depthwise convolution", () => {
  const cases: Case[] = [
    [[2, 25, 5, 64], [3, 3], 1, [1, 1], "same"],
    [[2, 9, 8, 8], [3, 3], 1, [2, 2], "same"],
    [[2, 8, 9, 24], [3, 3], 1, [2, 2], "same"],
    [[2, 9, 8, 18], [3, 3], 1, [2, 1], "valid"],
    [[3, 7, 6, 5], [3, 3], 1, [1, 1], "valid"],
    [[1, 6, 6, 3], [3, 3], 1, [1, 2], "same"],
    [[1, 10, 11, 7], [3, 3], 1, [3, 3], "same"],
    [[1, 3, 1, 33], [3, 3], 1, [1, 1], "same"],
    [
      [1, 6, 5, 4],
      [3, 3],
      1,
      [1, 1],
      [
        [0, 0],
        [2, 1],
        [0, 2],
        [0, 0],
      ],
    ],
    [
      [1, 6, 5, 4],
      [3, 3],
      1,
      [1, 1],
      [
        [0, 0],
        [3, 3],
        [3, 0],
        [0, 0],
      ],
    ],
    [[2, 6, 7, 6], [3, 3], 2, [1, 1], "same"],
    [[2, 9, 7, 6], [2, 2], 1, [2, 2], "valid"],
    [[2, 9, 7, 5], [5, 4], 1, [1, 2], "same"],
    [[2, 9, 7, 2], [2, 3], 3, [2, 2], "same"],
  ];
  it.each(cases)("%j, kernel %j, multiplier %i, strides %j, %j", async (shape, kernel, m, strides, pad) => {
    const random = new Random(4);
    const filter = normalValues(random, [...kernel, shape[3]!, m], 0.5);
    await check(
      (x, f) => tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, strides, pad as "same"),
      [normalValues(random, shape), filter],
    );
  });
});

describe("average pool", () => {
  const cases: [number[], [number, number], [number, number], Pad][] = [
    [[2, 25, 5, 64], [25, 5], [25, 5], "valid"],
    [[2, 9, 8, 6], [3, 3], [2, 2], "same"],
    [[2, 9, 8, 5], [3, 2], [1, 3], "valid"],
    [[1, 4, 4, 3], [5, 5], [1, 1], "same"],
    [[1, 4, 4, 9], [2, 2], [1, 1], 1],
  ];
  it.each(cases)("%j, kernel %j, strides %j, %j", async (shape, kernel, strides, pad) => {
    const pool: Operator = (x) => tf.avgPool(x as tf.Tensor4D, kernel, strides, pad as "same");
    const x = normalValues(new Random(5), shape);
    await expectNumerical(pool, [x]);
    if (pad === "valid") return void (await expectSame(pool, [x]));
    // The cpu backend's gradient counts elements outside the picture, which its output does not.
    const [expected, actual] = [await evaluate("cpu", pool, [x]), await evaluate("wasm", pool, [x])];
    expect(relativeError(actual.y, expected.y)).toBeLessThan(1e-5);
  });
});

describe("matrix product", () => {
  it.each([
    [[100, 64], [64, 12], false, false],
    [[7, 5], [9, 5], false, true],
    [[5, 7], [5, 9], true, false],
    [[5, 7], [9, 5], true, true],
    [[1, 1], [1, 3], false, false],
    [[70, 13], [70, 9], true, false],
    [[3, 4, 5], [3, 5, 6], false, false],
    [[3, 4, 5], [1, 6, 5], false, true],
    [[1, 5, 4], [2, 5, 6], true, false],
  ] as const)("%j x %j, transposed %j %j", async (a, b, transposeA, transposeB) => {
    const random = new Random(6);
    const inputs = [normalValues(random, [...a]), normalValues(random, [...b])];
    await check((x, y) => tf.matMul(x, y, transposeA, transposeB), inputs);
  });
});

describe("reductions and broadcasts", () => {
  const shape = [6, 5, 7, 10];
  it.each([
    [[0], false],
    [[1, 2], false],
    [[1, 2], true],
    [[0, 1, 2], false],
    [[3], true],
    [[0, 2], false],
    [[0, 1, 2, 3], false],
    [[-1, 1, 2], false],
  ])("sum and mean over axes %j, kept %j", async (axes, keep) => {
    const x = normalValues(new Random(8), shape);
    await check((t) => tf.sum(t, axes, keep), [x]);
    await check((t) => tf.mean(t, axes, keep), [x]);
  });

  it("bias of odd channels", async () => {
    const random = new Random(9);
    await check((x, b) => tf.add(x, b), [normalValues(random, [5, 3, 3, 13]), normalValues(random, [13])]);
  });

  it.each([
    [
      [3, 1, 1, 5],
      [1, 4, 2, 1],
    ],
    [
      [1, 6],
      [7, 1],
    ],
    [
      [2, 3],
      [2, 2],
    ],
    [
      [1, 3, 1],
      [4, 1, 5],
    ],
  ])("tile %j by %j", async (from, reps) => {
    await check((x) => tf.tile(x, reps), [normalValues(new Random(10), from)]);
  });
});

describe("activations", () => {
  it.each([3, 8, 1001])("ReLU and ReLU6 of %i values", async (count) => {
    const x = normalValues(new Random(11), [count], 4);
    await expectSame((t) => tf.relu(t), [x]);
    await expectSame((t) => tf.relu6(t), [x]);
  });

  it("keeps NaN", async () => {
    await tf.setBackend("wasm");
    expect([...tf.relu(tf.tensor1d([Number.NaN, -1, 2])).dataSync()]).toEqual([Number.NaN, 0, 2]);
  });
});

describe("inference batch normalisation", () => {
  it("gives the cpu backend's output and gradients", async () => {
    const random = new Random(12);
    const variance = normalValues(random, [9]);
    const inputs = [
      normalValues(random, [3, 5, 4, 9], 2),
      normalValues(random, [9]),
      { ...variance, values: variance.values.map((v) => v * v + 0.1) },
      normalValues(random, [9]),
      normalValues(random, [9]),
    ];
    await expectSame(
      (x, mean, v, offset, scale) =>
        tf.batchNorm(
          x as tf.Tensor4D,
          mean as tf.Tensor1D,
          v as tf.Tensor1D,
          offset as tf.Tensor1D,
          scale as tf.Tensor1D,
          1e-3,
        ),
      inputs,
    );
  });
});

describe("tensors", () => {
  it("of the other backend are moved", async () => {
    await tf.setBackend("cpu");
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const y = tf.tensor2d([1, 0, 0, 1], [2, 2]);
    await tf.setBackend("wasm");
    expect([...tf.matMul(tf.clone(x), y).dataSync()]).toEqual([1, 2, 3, 4]);
  });

  it("outlive their clones", async () => {
    await tf.setBackend("wasm");
    const x = tf.tensor1d([1, 2]);
    const copy = tf.clone(x);
    x.dispose();
    expect([...copy.dataSync()]).toEqual([1, 2]);
  });
});
