/** The batches of one epoch. */
import { Random } from "../data/random.ts";
import { type Examples, inputsOf } from "../data/training-set.ts";

export interface Batch {
  /** Which examples. */
  readonly indices: Uint32Array;
  /** [N, elements of an input] */
  readonly inputs: Float32Array;
  /** The class of each. */
  readonly labels: Uint16Array;
  /** What a teacher answers, where that was found before the step. */
  readonly lesson?: Lesson;
}

export interface Lesson {
  /** [N, classes] */
  readonly logits: Float32Array;
  /** [N, features]: what the teacher's last layer reads. */
  readonly features: Float32Array;
}

export interface EpochOptions {
  /** Examples in a batch. */
  readonly batch: number;
  readonly seed: number;
  readonly epoch: number;
  /** Strength; see `Variation`. */
  readonly augmentation: number;
}

/** The batches of an epoch: what does not fill one is left out. */
export function batchCount({ count }: Examples, batch: number): number {
  return Math.floor(count / batch);
}

/**
 * All examples once, in random order, each a random variant; what does not fill a batch is left out. An example's
 * variant depends on seed, epoch and its index alone.
 *
 * @param elements of one input
 */
export function* epochBatches(
  examples: Examples,
  elements: number,
  { batch, seed, epoch, augmentation: strength }: EpochOptions,
): Generator<Batch> {
  const order = new Random(seed, epoch).permutation(examples.count);
  for (let start = 0; start + batch <= order.length; start += batch) {
    const indices = order.subarray(start, start + batch);
    const inputs = inputsOf(examples, indices, elements, (index) => ({
      random: new Random(seed, epoch, index),
      strength,
    }));
    yield { indices, inputs, labels: Uint16Array.from(indices, (index) => examples.labels[index]!) };
  }
}
