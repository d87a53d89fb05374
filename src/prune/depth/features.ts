/** What a frozen tail and a teacher make of examples: computed once, outside the gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { type Examples, inputsOf } from "../../data/training-set.ts";
import { elementCount } from "../../graph/shape.ts";
import { type Batch, type EpochOptions, epochBatches, type Lesson } from "../../train/batches.ts";
import { featureLayer } from "../../train/distill.ts";
import type { Network } from "../../train/network.ts";

export interface PreparerOptions {
  /** The whole network, in inference. */
  readonly whole: Network;
  /** The last layer of the frozen tail: the student starts after it. Null: the student reads the inputs. */
  readonly after: string | null;
  /** Null: nobody teaches. Where it is `whole` too, it goes on from the tail's features. */
  readonly teacher: Network | null;
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

  /** Elements of what the student reads. */
  get elements(): number {
    const { whole, after } = this.#options;
    const { inputShape, layers } = whole.description;
    const index = layers.findIndex(({ name }) => name === after);
    return elementCount(index < 0 ? inputShape : whole.shapes[index]!);
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
    return { ...batch, ...this.#prepare(batch.inputs, batch.labels.length) };
  }

  async *batches(batches: AsyncIterable<Batch> | Iterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of batches) yield this.batch(batch);
  }

  /** All examples as they are, without variants. */
  examples(examples: Examples, inputElements: number): PreparedExamples {
    const parts: Prepared[] = [];
    const all = new Float32Array(examples.count * this.elements);
    for (let start = 0; start < examples.count; start += CHUNK) {
      const length = Math.min(CHUNK, examples.count - start);
      const indices = Uint32Array.from({ length }, (_, i) => start + i);
      const part = this.#prepare(inputsOf(examples, indices, inputElements), length);
      all.set(part.inputs, start * this.elements);
      parts.push(part);
    }
    return new PreparedExamples(examples.labels, all, this.#options.teacher && join(parts));
  }
}

const CHUNK = 100;

/** The lessons of all parts, one after the other. */
function join(parts: readonly Prepared[]): Lesson {
  const concat = (key: keyof Lesson) => {
    const values = parts.map((part) => part.lesson![key]);
    const result = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const value of values) {
      result.set(value, offset);
      offset += value.length;
    }
    return result;
  };
  return { logits: concat("logits"), features: concat("features") };
}

/** Examples as what the student reads, in memory, with what the teacher answers. They have no variants. */
export class PreparedExamples implements Examples {
  readonly count: number;
  readonly labels: Uint16Array;
  readonly #inputs: Float32Array;
  readonly #lesson: Lesson | null;
  readonly #elements: number;

  constructor(labels: Uint16Array, inputs: Float32Array, lesson: Lesson | null) {
    this.count = labels.length;
    this.labels = labels;
    this.#inputs = inputs;
    this.#lesson = lesson;
    this.#elements = inputs.length / labels.length;
  }

  write(index: number, out: Float32Array, offset: number): void {
    out.set(this.#inputs.subarray(index * this.#elements, (index + 1) * this.#elements), offset);
  }

  #rows(values: Float32Array, indices: Uint32Array): Float32Array {
    const each = values.length / this.count;
    const rows = new Float32Array(indices.length * each);
    indices.forEach((index, i) => {
      rows.set(values.subarray(index * each, (index + 1) * each), i * each);
    });
    return rows;
  }

  /** The batches of an epoch, with lessons. */
  *batches(options: EpochOptions): Generator<Batch> {
    for (const batch of epochBatches(this, this.#elements, options)) {
      if (this.#lesson === null) {
        yield batch;
        continue;
      }
      const { logits, features } = this.#lesson;
      const lesson = {
        logits: this.#rows(logits, batch.indices),
        features: this.#rows(features, batch.indices),
      };
      yield { ...batch, lesson };
    }
  }
}
