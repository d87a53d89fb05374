/** What a frozen tail and a teacher make of examples: computed once, outside the gradient. */
import * as tf from "@tensorflow/tfjs-core";
import type { Examples } from "../../data/training-set.ts";
import {
  type Batch,
  type EpochOptions,
  epochBatches,
  epochOrder,
  type Lesson,
  type Mixture,
  makeBatch,
  PerBatch,
  type VariantOptions,
} from "../../train/batches.ts";
import { featureLayer } from "../../train/distill.ts";
import type { Network } from "../../train/network.ts";

export interface PreparerOptions {
  /** The whole network, in inference. */
  readonly whole: Network;
  /** The last layer of the frozen tail: the student starts after it. Null: the student reads the inputs. */
  readonly after: string | null;
  /** Null: nobody teaches. Where it is `whole` too, it goes on from the tail's features. */
  readonly teacher: Network | null;
  /** Those of batches that came before. */
  readonly lessons: PerBatch<Lesson | undefined>;
}

interface Prepared {
  /** [N, elements of what the student reads] */
  readonly inputs: Float32Array;
  readonly lesson?: Lesson;
}

/** Computes features and lessons of batches. */
export class Preparer {
  readonly #options: PreparerOptions;

  constructor(options: PreparerOptions) {
    this.#options = options;
  }

  get #changesNothing(): boolean {
    return this.#options.after === null && this.#options.teacher === null;
  }

  /** @param inputs [N, elements of an input of the whole network] */
  #prepare(inputs: Float32Array, count: number): Prepared {
    if (this.#changesNothing) return { inputs };
    const { whole, after, teacher } = this.#options;
    const values = (tensor: tf.Tensor) => tensor.dataSync<"float32">();
    const prepared: { inputs: Float32Array; lesson?: Lesson } = { inputs };
    tf.tidy(() => {
      const x = tf.tensor(inputs, [count, ...whole.description.inputShape]);
      const cut = after === null ? null : whole.forward(x, { upTo: after });
      if (cut !== null) prepared.inputs = values(cut);
      if (teacher === null) return;
      const last = featureLayer(teacher.description);
      const goesOn = teacher === whole && cut !== null;
      const start = goesOn ? cut : x;
      const features =
        goesOn && after === last
          ? start
          : teacher.forward(start, { upTo: last, ...(goesOn && { after: after! }) });
      const logits = teacher.forward(features, { after: last });
      prepared.lesson = { logits: values(logits), features: values(features) };
    });
    return prepared;
  }

  batch(batch: Batch): Batch {
    const prepare = () => this.#prepare(batch.inputs, batch.labels.length);
    if (this.#options.after !== null) return { ...batch, ...prepare() };
    const lesson = this.#options.lessons.of(batch, () => prepare().lesson);
    return { ...batch, ...(lesson && { lesson }) };
  }

  async *batches(batches: AsyncIterable<Batch> | Iterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of batches) yield this.batch(batch);
  }

  /** All examples, each as one variant of it, in order unless they are mixed. */
  examples(examples: Examples, inputElements: number, variant: VariantOptions): PreparedExamples {
    const parts: Batch[] = [];
    // Examples are mixed with their neighbours, which are of one class where a data set is sorted.
    const order = variant.mix > 0 ? epochOrder(examples.count, variant) : null;
    for (let start = 0; start < examples.count; start += CHUNK) {
      const length = Math.min(CHUNK, examples.count - start);
      const indices = Uint32Array.from({ length }, (_, i) => order?.[start + i] ?? start + i);
      parts.push(this.batch(makeBatch(examples, indices, inputElements, variant)));
    }
    return new PreparedExamples(parts);
  }
}

const CHUNK = 100;

/** Keeps what was prepared last, for the next network that learns from the same. */
export class PreparedStore {
  readonly #examples = new LastOf<PreparedExamples[]>();
  readonly #lessons = new LastOf<PerBatch<Lesson | undefined>>();

  /** Of all variants those that are prepared so far, to be added to. @param key tells what they depend on */
  examples(key: object): PreparedExamples[] {
    return this.#examples.of(key, () => []);
  }

  /** Of batches that come again. @param key tells what they depend on */
  lessons(key: object): PerBatch<Lesson | undefined> {
    return this.#lessons.of(key, () => new PerBatch(true));
  }
}

/** One thing, as long as the key stays the same. */
class LastOf<T> {
  #last: { key: string; value: T } | null = null;

  of(key: object, make: () => T): T {
    const text = JSON.stringify(key);
    if (this.#last?.key !== text) this.#last = { key: text, value: make() };
    return this.#last.value;
  }
}

/** Examples as they are. */
export const NO_VARIANT: VariantOptions = { seed: 0, epoch: 0, augmentation: 0, mix: 0 };

/** A new array of the type of another one. */
const ofLength = <T extends Float32Array | Uint16Array>(like: T, length: number): T =>
  new (like.constructor as new (length: number) => T)(length);

/** Rows of several arrays, one after the other. */
function concat<T extends Float32Array | Uint16Array>(parts: readonly T[]): T {
  const result = ofLength(
    parts[0]!,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

/** Examples as what the student reads, in memory, with what the teacher answers. */
export class PreparedExamples implements Examples {
  readonly count: number;
  readonly labels: Uint16Array;
  readonly #inputs: Float32Array;
  readonly #lesson: Lesson | null;
  readonly #mixture: Mixture | null;
  readonly #elements: number;

  constructor(parts: readonly Batch[]) {
    this.labels = concat(parts.map(({ labels }) => labels));
    this.count = this.labels.length;
    this.#inputs = concat(parts.map(({ inputs }) => inputs));
    this.#elements = this.#inputs.length / this.count;
    this.#lesson = parts[0]!.lesson
      ? {
          logits: concat(parts.map(({ lesson }) => lesson!.logits)),
          features: concat(parts.map(({ lesson }) => lesson!.features)),
        }
      : null;
    this.#mixture = parts[0]!.mixture
      ? {
          labels: concat(parts.map(({ mixture }) => mixture!.labels)),
          shares: concat(parts.map(({ mixture }) => mixture!.shares)),
        }
      : null;
  }

  write(index: number, out: Float32Array, offset: number): void {
    out.set(this.#inputs.subarray(index * this.#elements, (index + 1) * this.#elements), offset);
  }

  #rows<T extends Float32Array | Uint16Array>(values: T, indices: Uint32Array): T {
    const each = values.length / this.count;
    const rows = ofLength(values, indices.length * each);
    indices.forEach((index, i) => {
      rows.set(values.subarray(index * each, (index + 1) * each), i * each);
    });
    return rows;
  }

  /** The batches of an epoch, with lessons and as they were mixed. */
  *batches(options: EpochOptions): Generator<Batch> {
    for (const batch of epochBatches(this, this.#elements, { ...options, augmentation: 0, mix: 0 })) {
      const { indices } = batch;
      const [lesson, mixture] = [this.#lesson, this.#mixture];
      yield {
        ...batch,
        ...(lesson && {
          lesson: {
            logits: this.#rows(lesson.logits, indices),
            features: this.#rows(lesson.features, indices),
          },
        }),
        ...(mixture && {
          mixture: {
            labels: this.#rows(mixture.labels, indices),
            shares: this.#rows(mixture.shares, indices),
          },
        }),
      };
    }
  }
}
