/** The batches of one epoch. */
import { Random } from "../data/random.ts";
import { type Examples, inputsOf } from "../data/training-set.ts";

export interface Batch {
  /** Which examples. */
  readonly indices: Uint32Array;
  /** Which variant of each: the epoch that it was made for. */
  readonly variant: number;
  /** [N, elements of an input] */
  readonly inputs: Float32Array;
  /** The class of each. */
  readonly labels: Uint16Array;
  /** What of each input is another's, where examples are mixed. */
  readonly mixture?: Mixture;
  /** What a teacher answers, where that was found before the step. */
  readonly lesson?: Lesson;
}

/** Input i is share * example i + (1 - share) * another example of the batch. */
export interface Mixture {
  /** The class of the other example of each. */
  readonly labels: Uint16Array;
  /** Of the own example, in (0, 1]. */
  readonly shares: Float32Array;
}

export interface Lesson {
  /** [N, classes] */
  readonly logits: Float32Array;
  /** [N, features]: what the teacher's last layer reads. */
  readonly features: Float32Array;
}

/** How examples are changed at random: the same for the same options. */
export interface VariantOptions {
  readonly seed: number;
  readonly epoch: number;
  /** Strength; see `Variation`. */
  readonly augmentation: number;
  /** Share of the examples that are mixed with another one; 0: none. */
  readonly mix: number;
}

export interface EpochOptions extends VariantOptions {
  /** Examples in a batch. */
  readonly batch: number;
}

/** Sets these random numbers apart from those of examples, which are seeded by their index. */
const MIX_SEED = -1;

/**
 * Mixes examples of a batch in pairs, in place: some of each with the next one, evenly from all of the own to none of
 * it. After Zhang et al. 2018 (arXiv 1710.09412); a teacher's answers to such inputs say more than those to the
 * examples alone (Beyer et al. 2022, arXiv 2106.05237).
 *
 * @param inputs [N, elements]
 * @param probability that an example is mixed
 */
function mixExamples(
  inputs: Float32Array,
  labels: Uint16Array,
  random: Random,
  probability: number,
): Mixture {
  const count = labels.length;
  const elements = inputs.length / count;
  // Each is mixed before the next one changes; only the first is wanted again, by the last.
  const first = inputs.slice(0, elements);
  const shares = new Float32Array(count).fill(1);
  const others = labels.map((_, i) => labels[(i + 1) % count]!);
  for (let i = 0; i < count; i++) {
    if (!random.chance(probability)) continue;
    const share = 1 - random.unit();
    const own = inputs.subarray(i * elements, (i + 1) * elements);
    const other = i + 1 < count ? inputs.subarray((i + 1) * elements) : first;
    for (let k = 0; k < elements; k++) own[k] = share * own[k]! + (1 - share) * other[k]!;
    shares[i] = share;
  }
  return { labels: others, shares };
}

/** The batches of an epoch: what does not fill one is left out. */
export function batchCount({ count }: Examples, batch: number): number {
  return Math.floor(count / batch);
}

/**
 * A batch of the examples asked for, each a random variant that depends on seed, epoch and its index alone, mixed where
 * that is asked for.
 *
 * @param elements of one input
 */
export function makeBatch(
  examples: Examples,
  indices: Uint32Array,
  elements: number,
  { seed, epoch, augmentation: strength, mix }: VariantOptions,
): Batch {
  const inputs = inputsOf(examples, indices, elements, (index) => ({
    random: new Random(seed, epoch, index),
    strength,
  }));
  const labels = Uint16Array.from(indices, (index) => examples.labels[index]!);
  if (mix === 0) return { indices, variant: epoch, inputs, labels };
  const random = new Random(seed, epoch, MIX_SEED, indices[0]!);
  return { indices, variant: epoch, inputs, labels, mixture: mixExamples(inputs, labels, random, mix) };
}

/** The order in which an epoch has so many examples. */
export function epochOrder(count: number, { seed, epoch }: VariantOptions): Uint32Array {
  return new Random(seed, epoch).permutation(count);
}

/**
 * All examples once, in random order, as `makeBatch` makes them; what does not fill a batch is left out.
 *
 * @param elements of one input
 */
export function* epochBatches(examples: Examples, elements: number, options: EpochOptions): Generator<Batch> {
  const { batch } = options;
  const order = epochOrder(examples.count, options);
  for (let start = 0; start + batch <= order.length; start += batch) {
    yield makeBatch(examples, order.subarray(start, start + batch), elements, options);
  }
}

/** What is found once for each batch, and kept where the same batches come again. */
export class PerBatch<T> {
  readonly #keeps: boolean;
  readonly #kept = new Map<string, T>();

  /** @param keeps whether epochs take variants in turn, which makes their batches the same */
  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  of({ variant, indices }: Batch, find: () => T): T {
    if (!this.#keeps) return find();
    const key = `${variant}/${indices[0]}`;
    const found = this.#kept.get(key) ?? find();
    this.#kept.set(key, found);
    return found;
  }
}
