/** Confidence that means what it says: temperature scaling (Guo et al. 2017, arXiv 1706.04599). */
import { UNLABELLED } from "../../data/training-set.ts";

const BINS = 15;
/** Temperatures that are tried: softmax with fewer or more is of no use in int8. */
const RANGE = [0.2, 5] as const;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** The probability of each class, by rows. @param logits [N, classes] */
export function probabilities(logits: Float32Array, classes: number, temperature: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += classes) {
    const part = logits.subarray(row, row + classes);
    const largest = part.reduce((a, b) => Math.max(a, b));
    const powers = Float64Array.from(part, (value) => Math.exp((value - largest) / temperature));
    const sum = powers.reduce((a, b) => a + b);
    powers.forEach((power, i) => {
      result[row + i] = power / sum;
    });
  }
  return result;
}

/** Mean negative logarithm of the probability of each label. */
function surprise(logits: Float32Array, labels: Uint16Array, classes: number, temperature: number): number {
  let [sum, count] = [0, 0];
  labels.forEach((label, i) => {
    if (label === UNLABELLED) return;
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const total = row.reduce((s, value) => s + Math.exp((value - largest) / temperature), 0);
    sum += Math.log(total) - (row[label]! - largest) / temperature;
    count++;
  });
  return sum / count;
}

/**
 * The temperature that makes labels most probable, by a golden-section search from 0.2 to 5 on a logarithmic scale;
 * 1 where nothing is labelled.
 *
 * @param logits [N, classes]
 * @param labels [N]; those that are `UNLABELLED` do not count
 */
export function fitTemperature(logits: Float32Array, labels: Uint16Array): number {
  if (labels.every((label) => label === UNLABELLED)) return 1;
  const classes = logits.length / labels.length;
  const at = (x: number) => surprise(logits, labels, classes, Math.exp(x));
  let [low, high] = RANGE.map(Math.log) as [number, number];
  let [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
  let [fa, fb] = [at(a), at(b)];
  while (high - low > 1e-4) {
    if (fa < fb) {
      [high, b, fb] = [b, a, fa];
      a = high - GOLDEN * (high - low);
      fa = at(a);
    } else {
      [low, a, fa] = [a, b, fb];
      b = low + GOLDEN * (high - low);
      fb = at(b);
    }
  }
  return Math.exp((low + high) / 2);
}

/**
 * Expected calibration error: over 15 bins of confidence, the mean distance of confidence and accuracy, weighted by
 * examples; null where nothing is labelled.
 */
export function calibrationError(
  logits: Float32Array,
  labels: Uint16Array,
  temperature: number,
): number | null {
  const classes = logits.length / labels.length;
  const all = probabilities(logits, classes, temperature);
  const difference = new Float64Array(BINS);
  let count = 0;
  labels.forEach((label, i) => {
    if (label === UNLABELLED) return;
    const row = all.subarray(i * classes, (i + 1) * classes);
    const top = row.reduce((a, b) => Math.max(a, b));
    const bin = Math.min(BINS - 1, Math.floor(top * BINS));
    difference[bin]! += top - (row.indexOf(top) === label ? 1 : 0);
    count++;
  });
  return count === 0 ? null : difference.reduce((sum, value) => sum + Math.abs(value), 0) / count;
}
