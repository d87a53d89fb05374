import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Adam, type AdamState } from "../../src/train/adam.ts";
import { Random } from "../support/random.ts";
import { normalValues, startBackends } from "./backends.ts";

beforeAll(startBackends);
afterEach(() => tf.disposeVariables());

const SHAPE = [3, 7];
const start = normalValues(new Random(1), SHAPE);
const gradientOf = (step: number) => normalValues(new Random(100 + step), SHAPE, 10 ** -(step % 5));

/** Steps [from, to) on a variable; its last values, and the optimiser's state. */
async function run(backend: string, from: number, to: number, values = start.values, state?: AdamState) {
  await tf.setBackend(backend);
  const variable = tf.variable(tf.tensor(values, SHAPE), true, "w");
  const adam = new Adam(0.01, { epsilon: 1e-7 });
  if (state) adam.restore(state);
  for (let step = from; step < to; step++) {
    adam.learningRate = 0.01 / (1 + step);
    const gradient = tf.tensor(gradientOf(step).values, SHAPE);
    adam.applyGradients({ w: gradient });
    gradient.dispose();
  }
  const result = { values: variable.dataSync<"float32">().slice(), state: adam.state() };
  adam.dispose();
  variable.dispose();
  return result;
}

/** The paper's formulas in float64. */
function expected(steps: number): number[] {
  return [...start.values].map((first, i) => {
    let [value, m, v] = [first, 0, 0];
    for (let step = 0; step < steps; step++) {
      const g = gradientOf(step).values[i]!;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      const [mHat, vHat] = [m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))];
      value -= ((0.01 / (1 + step)) * mHat) / (Math.sqrt(vHat) + 1e-7);
    }
    return value;
  });
}

describe.each(["wasm", "cpu"])("Adam on %s", (backend) => {
  it("is the paper's", async () => {
    const { values } = await run(backend, 0, 12);
    expected(12).forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value, 5);
    });
  });

  it("goes on from a state bit for bit", async () => {
    const whole = await run(backend, 0, 9);
    const half = await run(backend, 0, 4);
    const rest = await run(backend, 4, 9, half.values, half.state);
    expect(rest).toEqual(whole);
    expect(whole.state.step).toBe(9);
  });

  it("leaves clones of the variable alone and leaks nothing", async () => {
    await tf.setBackend(backend);
    const variable = tf.variable(tf.tensor(start.values, SHAPE), true, "w");
    const adam = new Adam(0.1);
    const copy = tf.clone(variable);
    const step = () => tf.tidy(() => adam.applyGradients({ w: tf.ones(SHAPE) }));
    step();
    const { numTensors, numBytes } = tf.memory();
    for (let i = 0; i < 5; i++) step();
    expect(tf.memory()).toMatchObject({ numTensors, numBytes });
    expect([...copy.dataSync()]).toEqual([...start.values]);
    expect([...variable.dataSync()]).not.toEqual([...start.values]);
    adam.dispose();
    copy.dispose();
  });

  it("names a gradient that no variable has", async () => {
    await tf.setBackend(backend);
    expect(() => new Adam(0.1).applyGradients({ nobody: tf.ones([1]) })).toThrow('"nobody"');
  });
});
