import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { dropout } from "../../src/train/dropout.ts";
import { startBackends } from "./backends.ts";

beforeAll(startBackends);

const COUNT = 20_001;
const kept = (seed: number, rate = 0.25) =>
  tf.tidy(() => [...dropout(tf.ones([COUNT]), rate, seed).dataSync()].map((value) => value !== 0));

describe.each(["wasm", "cpu"])("dropout on %s", (backend) => {
  it.each([0.1, 0.4, 0.9])("drops a share of %f and scales the rest", async (rate) => {
    await tf.setBackend(backend);
    const values = dropout(tf.ones([COUNT]), rate, 5).dataSync();
    const rest = values.filter((value) => value !== 0);
    for (const value of rest) expect(value).toBeCloseTo(1 / (1 - rate), 4);
    // Five standard deviations.
    expect(Math.abs(rest.length / COUNT - (1 - rate))).toBeLessThan(
      5 * Math.sqrt((rate * (1 - rate)) / COUNT),
    );
  });

  it("is the seed's", async () => {
    await tf.setBackend(backend);
    expect(kept(1)).toEqual(kept(1));
    expect(kept(1)).not.toEqual(kept(2));
  });

  it("has the same mask backward", async () => {
    await tf.setBackend(backend);
    const x = tf.randomNormal([99], 0, 1, "float32", 3);
    const run = (t: tf.Tensor) => dropout(t, 0.5, 8);
    const y = run(x).dataSync();
    const gradient = tf
      .grad(run)(x, tf.fill([99], 3))
      .dataSync();
    gradient.forEach((value, i) => {
      expect(value).toBe(y[i] === 0 ? 0 : 6);
    });
  });

  it("of nothing is the input", async () => {
    await tf.setBackend(backend);
    expect([...dropout(tf.tensor1d([1, 2, 3]), 0, 1).dataSync()]).toEqual([1, 2, 3]);
  });

  it("refuses rates outside [0, 1)", async () => {
    await tf.setBackend(backend);
    for (const rate of [1, -0.1, Number.NaN]) expect(() => dropout(tf.ones([3]), rate, 1)).toThrow("rate");
  });
});

describe("masks of the fused kernel", () => {
  // Independent masks agree in rate^2 + (1 - rate)^2 of the places.
  const agreement = (a: boolean[], b: boolean[]) => a.filter((value, i) => value === b[i]).length / a.length;

  it("of seeds that follow each other are independent, shifted or not", async () => {
    await tf.setBackend("wasm");
    for (const seed of [0, 1, 7, 1000]) {
      const [a, b] = [kept(seed), kept(seed + 1)];
      for (const shift of [0, 1, 4]) {
        const share = agreement(a.slice(shift), b.slice(0, COUNT - shift));
        expect(Math.abs(share - 0.625)).toBeLessThan(0.02);
      }
    }
  });

  it("have no pattern over 64 channels", async () => {
    await tf.setBackend("wasm");
    const mask = kept(3, 0.5);
    for (const lag of [1, 2, 4, 16, 64]) {
      expect(Math.abs(agreement(mask.slice(lag), mask.slice(0, COUNT - lag)) - 0.5)).toBeLessThan(0.02);
    }
  });
});
