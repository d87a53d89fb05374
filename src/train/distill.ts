/** Distillation: a network learns what another one answers (Hinton, Vinyals, Dean 2015, arXiv 1503.02531). */
import * as tf from "@tensorflow/tfjs-core";
import { topClass } from "../data/top-class.ts";
import { type Examples, UNLABELLED } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { type Batch, PerBatch } from "./batches.ts";
import { logitsOf } from "./evaluate.ts";
import type { TrainHooks } from "./loop.ts";
import { INPUT, inputIndex, type NetworkDescription } from "./network/description.ts";
import { parametersChecksum } from "./network/parameters.ts";
import type { Network } from "./network.ts";
import { crossEntropy, type Objective } from "./step.ts";

export interface DistillOptions {
  /** Logits of both are divided by it: the higher, the more the teacher's lesser answers count. */
  readonly temperature: number;
  /** Of the loss, the teacher's share; the rest are the labels. */
  readonly share: number;
}

/**
 * What a teacher answers to batches.
 *
 * @param keeps whether the same batches come again; see `PerBatch`
 * @returns gives the logits, [N, classes]
 */
export function teaching(teacher: Network, keeps: boolean): (batch: Batch, x: tf.Tensor) => tf.Tensor2D {
  const answers = new PerBatch<Float32Array>(keeps);
  return (batch, x) => {
    const find = () => tf.tidy(() => teacher.forward(x).dataSync<"float32">());
    const logits = answers.of(batch, find);
    const count = batch.labels.length;
    return tf.tensor2d(logits, [count, logits.length / count]);
  };
}

/**
 * share * T^2 * cross-entropy with the teacher's answers at temperature T, and (1 - share) * cross-entropy with the
 * labels. Examples without a label have the teacher's part only.
 *
 * @param teacher in inference: it does not learn
 * @param keeps see `teaching`
 * @throws ThumbnetError when the two differ in input or classes
 */
export function distillation(
  teacher: Network,
  network: Network,
  options: DistillOptions,
  keeps = false,
): Objective {
  const [from, to] = [teacher.description, network.description];
  for (const [what, a, b] of [
    ["input", from.inputShape, to.inputShape],
    ["output", teacher.shapes.at(-1)!, network.shapes.at(-1)!],
  ] as const) {
    if (sameShape(a, b)) continue;
    const found = `the teacher ${from.name} has the ${what} ${formatShape(a)}, ${to.name} ${formatShape(b)}`;
    throw new ThumbnetError(`${found}; both must be the same`);
  }
  const answersTo = teaching(teacher, keeps);
  return ({ network: student, x, targets, batch, training }) =>
    blend(student.forward(x, { training }), answersTo(batch, x), targets, options);
}

/**
 * The teacher's part of the loss and the labels', as `distillation` weighs them.
 *
 * @param answers the teacher's logits, all [N, classes]
 */
export function blend(
  logits: tf.Tensor,
  answers: tf.Tensor,
  targets: tf.Tensor,
  { temperature, share }: DistillOptions,
): tf.Scalar {
  const softened = tf.tidy(() => tf.softmax(tf.div(answers as tf.Tensor2D, temperature)));
  const soft = crossEntropy(tf.div(logits, temperature), softened);
  const hard = crossEntropy(logits, targets);
  return tf.add(tf.mul(soft, share * temperature ** 2), tf.mul(hard, 1 - share));
}

export interface LessonOptions extends DistillOptions {
  /** Weight of `similarityLoss` between the last features of both; 0: none. */
  readonly similarity: number;
}

/** Centred over the batch, each row of length 1. @param features [N, ...] */
function directions(features: tf.Tensor): tf.Tensor2D {
  const rows = tf.reshape(features, [features.shape[0]!, -1]) as tf.Tensor2D;
  const centred = tf.sub(rows, tf.mean(rows, 0, true));
  const lengths = tf.sqrt(tf.add(tf.sum(tf.square(centred), 1, true), 1e-8));
  return tf.div(centred, lengths) as tf.Tensor2D;
}

/**
 * Mean squared difference between the cosines of all pairs of examples, as two networks see them: they need not have
 * the same number of features. After Tung and Mori 2019 (arXiv 1907.09682), who do not centre.
 */
export function similarityLoss(own: tf.Tensor, wanted: tf.Tensor): tf.Scalar {
  const cosines = (features: tf.Tensor) => {
    const rows = directions(features);
    return tf.matMul(rows, tf.transpose(rows));
  };
  return tf.mean(tf.square(tf.sub(cosines(own), cosines(wanted)))) as tf.Scalar;
}

/** The layer that the last one reads: the features that classes are told by. */
export function featureLayer(network: NetworkDescription): string {
  const { layers } = network;
  return layers[inputIndex(network, layers.length - 1)]?.name ?? INPUT;
}

/** As `distillation`, with what a teacher has answered already: `Batch.lesson`. */
export function lessonObjective(options: LessonOptions): Objective {
  return ({ network, x, targets, batch, training }) => {
    const { logits: answers, features } = batch.lesson!;
    const rows = (values: Float32Array) =>
      tf.tensor2d(values, [batch.labels.length, values.length / batch.labels.length]);
    const layer = featureLayer(network.description);
    const own = network.forward(x, { training, upTo: layer });
    const logits = network.forward(own, { training, after: layer });
    const loss = blend(logits, rows(answers), targets, options);
    if (options.similarity === 0) return loss;
    return tf.add(loss, tf.mul(similarityLoss(own, rows(features)), options.similarity));
  };
}

/** The class of each example: its label, or where it has none what the teacher answers. */
export function completeLabels(teacher: Network, examples: Examples): Uint16Array {
  const labels = examples.labels.slice();
  const missing = Array.from(labels.keys()).filter((i) => labels[i] === UNLABELLED);
  const logits = logitsOf(teacher, examples, missing);
  const classes = logits.length / missing.length;
  missing.forEach((example, i) => {
    labels[example] = topClass(logits.subarray(i * classes, (i + 1) * classes));
  });
  return labels;
}

/**
 * What a teacher changes about a training run.
 *
 * @param keeps see `teaching`
 * @throws ThumbnetError when it does not fit the network
 */
export function distillationHooks(
  teacher: Network,
  network: Network,
  validation: Examples,
  options: DistillOptions,
  keeps = false,
): Pick<TrainHooks, "objective" | "identity" | "validationLabels"> {
  const checksum = parametersChecksum(teacher.parameters());
  return {
    objective: distillation(teacher, network, options, keeps),
    identity: { teacher: { name: teacher.description.name, checksum, ...options } },
    validationLabels: completeLabels(teacher, validation),
  };
}
