import { beforeAll, describe, expect, test } from "vitest";
import { type Examples, inputsOf, type TrainingSet, UNLABELLED } from "../../src/data/training-set.ts";
import { trainingBackend } from "../../src/train/backend.ts";
import { completeLabels, distillation, distillationHooks } from "../../src/train/distill.ts";
import { evaluate, logitsOf } from "../../src/train/evaluate.ts";
import { type TrainOptions, train } from "../../src/train/loop.ts";
import type { NetworkDescription } from "../../src/train/network/description.ts";
import { classifier, convUnit } from "../../src/train/network/factories.ts";
import { initialParameters } from "../../src/train/network/parameters.ts";
import { Network } from "../../src/train/network.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { SHORT_TRAINING, stripeSet } from "../support/networks.ts";

const describeNet = (filters: number, classes = 2): NetworkDescription => ({
  name: `net${filters}`,
  inputShape: [8, 8, 1],
  layers: [...convUnit("conv1", filters, [3, 3], [2, 2]), ...classifier(classes, 0)],
});

const OPTIONS: TrainOptions = {
  ...SHORT_TRAINING,
  epochs: 20,
  seed: 5,
  schedule: { kind: "cosine", rate: 0.02, warmup: 1 },
  average: 0,
};

let tf: Awaited<ReturnType<typeof trainingBackend>>["tf"];
const folder = temporaryFolder();

beforeAll(async () => {
  ({ tf } = await trainingBackend());
});

const create = (description: NetworkDescription, seed: number, scope: string) =>
  new Network(description, initialParameters(description, seed), scope);

/** The same examples without labels. */
const withoutLabels = (examples: Examples): Examples => ({
  count: examples.count,
  labels: examples.labels.map(() => UNLABELLED),
  write: (...args) => examples.write(...args),
});

describe("distillation", () => {
  test("is the share of both parts that it says", () => {
    const [teacher, student] = [create(describeNet(4), 1, "a/"), create(describeNet(3), 2, "b/")];
    const { train: examples } = stripeSet();
    const inputs = inputsOf(examples, [0, 1, 2], 64);
    const labels = Uint16Array.of(0, 1, UNLABELLED);
    const softmax = (row: number[]) => {
      const powers = row.map(Math.exp);
      const sum = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / sum);
    };
    const rows = (logits: Float32Array) => [0, 1, 2].map((i) => [...logits.subarray(2 * i, 2 * i + 2)]);
    const training = { seed: 1 };
    const theirs = rows(logitsOf(teacher, examples, [0, 1, 2]));
    // The student learns: by the statistics of the batch.
    const own = rows(
      tf.tidy(() => student.forward(tf.tensor4d(inputs, [3, 8, 8, 1]), { training }).dataSync<"float32">()),
    );
    for (const [temperature, share] of [
      [1, 0.5],
      [3, 0.9],
      [2, 0],
    ] as const) {
      let expected = 0;
      for (let i = 0; i < 3; i++) {
        const soft = softmax(theirs[i]!.map((z) => z / temperature));
        const softOwn = softmax(own[i]!.map((z) => z / temperature));
        const label = labels[i]!;
        for (let c = 0; c < 2; c++) {
          expected -= (share * temperature ** 2 * soft[c]! * Math.log(softOwn[c]!)) / 3;
          if (c === label) expected -= ((1 - share) * Math.log(softmax(own[i]!)[c]!)) / 3;
        }
      }
      const found = tf.tidy(() => {
        const objective = distillation(teacher, student, { temperature, share });
        const x = tf.tensor4d(inputs, [3, 8, 8, 1]);
        const targets = tf.tensor2d([1, 0, 0, 1, 0, 0], [3, 2]);
        const batch = { indices: Uint32Array.of(0, 1, 2), variant: 0, inputs, labels };
        return objective({ network: student, x, targets, batch, training }).dataSync()[0]!;
      });
      expect(found).toBeCloseTo(expected, 4);
    }
    teacher.dispose();
    student.dispose();
  });

  test("a student learns from a teacher what nobody labelled, and goes on only with the same teacher", async () => {
    const data = stripeSet();
    const teacher = create(describeNet(8), 3, "t/");
    await train(teacher, data, folder.fresh(), OPTIONS);
    expect(evaluate(teacher, data.test).accuracy).toBeGreaterThan(0.9);
    const blank: TrainingSet = {
      ...data,
      train: withoutLabels(data.train),
      validation: withoutLabels(data.validation),
    };
    const student = create(describeNet(6), 4, "s/");
    const lesson = distillationHooks(teacher, student, blank.validation, { temperature: 2, share: 1 });
    expect([...lesson.validationLabels!]).toEqual([...completeLabels(teacher, blank.validation)]);
    const out = folder.fresh();
    await train(student, blank, out, OPTIONS, lesson);
    expect(evaluate(student, data.test).accuracy).toBeGreaterThan(0.9);

    const softer = distillationHooks(teacher, student, blank.validation, { temperature: 4, share: 1 });
    await expect(train(student, blank, out, OPTIONS, softer)).rejects.toThrow(
      /is of another run: teacher\.temperature is 2, not 4/,
    );
    teacher.dispose();
    student.dispose();
  });

  test("a teacher is asked once where the same batches come again", () => {
    const [teacher, student] = [create(describeNet(4), 1, "a/"), create(describeNet(3), 2, "b/")];
    const inputs = inputsOf(stripeSet().train, [0, 1, 2], 64);
    const objective = distillation(teacher, student, { temperature: 2, share: 1 }, true);
    const lossOf = (variant: number, first: number) =>
      tf.tidy(() => {
        const indices = Uint32Array.of(first, 8, 9);
        const batch = { indices, variant, inputs, labels: Uint16Array.of(0, 1, 0) };
        const [x, targets] = [tf.tensor4d(inputs, [3, 8, 8, 1]), tf.tensor2d([1, 0, 0, 1, 1, 0], [3, 2])];
        return objective({ network: student, x, targets, batch, training: { seed: 1 } }).dataSync()[0]!;
      });
    const first = lossOf(0, 1);
    const before = teacher.parameters();
    teacher.assign(initialParameters(describeNet(4), 77));
    expect(lossOf(0, 1)).toBe(first);
    const [other, later] = [lossOf(0, 2), lossOf(1, 1)];
    expect(other).not.toBe(first);
    expect(later).toBe(other);
    teacher.assign(before);
    expect(lossOf(2, 1)).toBe(first);
    teacher.dispose();
    student.dispose();
  });

  test("a teacher of other classes is refused", () => {
    const [teacher, student] = [create(describeNet(4, 3), 1, "v/"), create(describeNet(3), 2, "u/")];
    expect(() => distillation(teacher, student, { temperature: 1, share: 1 })).toThrow(
      "the teacher net4 has the output [3], net3 [2]; both must be the same",
    );
    teacher.dispose();
    student.dispose();
  });
});
