/** What the tests of the training back end share: values from a seed, and the same computation on two backends. */
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { trainingBackend } from "../../src/train/backend.ts";
import { Random } from "../support/random.ts";

/** Plain values: tensors live on one backend, these on none. */
export interface Values {
  readonly shape: number[];
  readonly values: Float32Array;
}

export function normalValues(random: Random, shape: number[], scale = 1): Values {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, values: Float32Array.from({ length: count }, () => random.normal() * scale) };
}

export const toTensor = ({ shape, values }: Values): tf.Tensor => tf.tensor(values, shape);

/** Starts both backends with all gradients registered. */
export async function startBackends(): Promise<void> {
  await trainingBackend("cpu");
  await trainingBackend("wasm");
}

/** Output, and gradients of the sum of output times `dy` by every input. */
export interface Result {
  readonly y: Values;
  readonly gradients: Values[];
}

export type Operator = (...inputs: tf.Tensor[]) => tf.Tensor;

const toValues = (tensor: tf.Tensor): Values => ({
  shape: tensor.shape,
  values: tensor.dataSync<"float32">().slice(),
});

/** @param dy of the output's shape; random values when it is not given */
export async function evaluate(
  backend: "wasm" | "cpu",
  operator: Operator,
  inputs: readonly Values[],
  dy?: Values,
): Promise<Result> {
  await tf.setBackend(backend);
  tf.engine().startScope();
  try {
    const tensors = inputs.map(toTensor);
    const y = toValues(operator(...tensors));
    const weights = toTensor(dy ?? normalValues(new Random(99), y.shape));
    const gradients = tf.grads((...xs) => operator(...xs))(tensors, weights);
    return { y, gradients: gradients.map(toValues) };
  } finally {
    tf.engine().endScope();
  }
}

/** Largest difference, as a share of the largest expected magnitude. */
export function relativeError(actual: Values, expected: Values): number {
  expect(actual.shape).toEqual(expected.shape);
  let difference = 0;
  let magnitude = 1e-30;
  expected.values.forEach((value, i) => {
    const d = Math.abs(actual.values[i]! - value);
    // NaN must not pass for a small difference.
    difference = d <= difference ? difference : d;
    magnitude = Math.max(magnitude, Math.abs(value));
  });
  return difference / magnitude;
}

/** The wasm backend gives what the cpu backend gives, output and gradients, within 1e-5. */
export async function expectSame(operator: Operator, inputs: readonly Values[]): Promise<Result> {
  const expected = await evaluate("cpu", operator, inputs);
  const actual = await evaluate("wasm", operator, inputs);
  expect(relativeError(actual.y, expected.y), "output").toBeLessThan(1e-5);
  expected.gradients.forEach((gradient, i) => {
    expect(relativeError(actual.gradients[i]!, gradient), `gradient of input ${i}`).toBeLessThan(1e-5);
  });
  return actual;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/**
 * The gradients agree with central differences along random directions, in which the output is computed in
 * float32 and weighed and summed in float64.
 *
 * @param step of the difference; for an operator that is linear in each input any step is exact but for rounding
 */
export async function expectNumerical(
  operator: Operator,
  inputs: readonly Values[],
  { step = 1, tolerance = 1e-5, backend = "wasm" as "wasm" | "cpu" } = {},
): Promise<void> {
  const random = new Random(7);
  const shape = (await evaluate(backend, operator, inputs)).y.shape;
  const dy = normalValues(random, shape);
  const { gradients } = await evaluate(backend, operator, inputs, dy);
  const loss = (moved: readonly Values[]) =>
    tf.tidy(() => dot(operator(...moved.map(toTensor)).dataSync<"float32">(), dy.values));
  inputs.forEach((input, i) => {
    const direction = normalValues(random, input.shape);
    const shifted = (by: number) =>
      inputs.map((other, j) =>
        j === i ? { ...other, values: other.values.map((v, k) => v + by * direction.values[k]!) } : other,
      );
    const slope = (loss(shifted(step)) - loss(shifted(-step))) / (2 * step);
    const gradient = dot(gradients[i]!.values, direction.values);
    const scale = Math.sqrt(dot(gradients[i]!.values, gradients[i]!.values) * direction.values.length);
    expect(Math.abs(slope - gradient) / Math.max(scale, 1e-30), `slope of input ${i}`).toBeLessThan(
      tolerance,
    );
  });
}
