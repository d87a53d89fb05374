/** What training, calibration and evaluation see of a data set, whatever it is made of. */
import type { Random } from "./random.ts";

/** Instead of a class: nobody has said what the example shows. */
export const UNLABELLED = 0xffff;

/** How an example is changed, at random. */
export interface Variation {
  readonly random: Random;
  /** How far: times the ranges of the data set's augmentation; 1 is what suits networks of MLPerf Tiny's size. */
  readonly strength: number;
}

export interface Examples {
  readonly count: number;
  /** The class of each, or {@link UNLABELLED}. */
  readonly labels: Uint16Array;
  /**
   * Writes one input as the network takes it, float32, `inputShape` elements from `offset`.
   *
   * @param variation where given, a random variant of it, the same for the same state of its random numbers
   */
  write(index: number, out: Float32Array, offset: number, variation: Variation | null): void;
}

export interface TrainingSet {
  readonly name: string;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  /** Where the input's values are integers by their nature: what they stand for as int8. */
  readonly inputAffine?: { readonly scale: number; readonly zeroPoint: number };
  /** Names of the classes. */
  readonly classes: readonly string[];
  readonly train: Examples;
  readonly validation: Examples;
  /** Not looked at before the end. */
  readonly test: Examples;
  /** From elsewhere, to measure on: nothing is trained, chosen or calibrated on it. */
  readonly evaluation?: Examples;
}

/** The inputs of some examples, one after the other. */
export function inputsOf(
  examples: Examples,
  indices: ArrayLike<number>,
  elements: number,
  variationOf: (index: number) => Variation | null = () => null,
): Float32Array {
  const out = new Float32Array(indices.length * elements);
  for (let i = 0; i < indices.length; i++) {
    examples.write(indices[i]!, out, i * elements, variationOf(indices[i]!));
  }
  return out;
}
