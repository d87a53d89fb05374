/** Distillation: a network learns what another one answers (Hinton, Vinyals, Dean 2015, arXiv 1503.02531). */
import * as tf from "@tensorflow/tfjs-core";
import { type Examples, UNLABELLED } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { logitsOf } from "./evaluate.ts";
import type { TrainHooks } from "./loop.ts";
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
 * share * T^2 * cross-entropy with the teacher's answers at temperature T, and (1 - share) * cross-entropy with the
 * labels. Examples without a label have the teacher's part only.
 *
 * @param teacher in inference: it does not learn
 * @throws ThumbnetError when the two differ in input or classes
 */
export function distillation(teacher: Network, network: Network, options: DistillOptions): Objective {
  const [from, to] = [teacher.description, network.description];
  for (const [what, a, b] of [
    ["input", from.inputShape, to.inputShape],
    ["output", teacher.shapes.at(-1)!, network.shapes.at(-1)!],
  ] as const) {
    if (sameShape(a, b)) continue;
    const found = `the teacher ${from.name} has the ${what} ${formatShape(a)}, ${to.name} ${formatShape(b)}`;
    throw new ThumbnetError(`${found}; both must be the same`);
  }
  const { temperature, share } = options;
  return ({ network: student, x, targets, training }) => {
    const answers = tf.tidy(() => tf.softmax(tf.div(teacher.forward(x) as tf.Tensor2D, temperature)));
    const logits = student.forward(x, { training });
    const soft = crossEntropy(tf.div(logits, temperature), answers);
    const hard = crossEntropy(logits, targets);
    return tf.add(tf.mul(soft, share * temperature ** 2), tf.mul(hard, 1 - share));
  };
}

/** The class of each example: its label, or where it has none what the teacher answers. */
export function completeLabels(teacher: Network, examples: Examples): Uint16Array {
  const labels = examples.labels.slice();
  const missing = Array.from(labels.keys()).filter((i) => labels[i] === UNLABELLED);
  const logits = logitsOf(teacher, examples, missing);
  const classes = logits.length / missing.length;
  missing.forEach((example, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    labels[example] = row.indexOf(Math.max(...row));
  });
  return labels;
}

/**
 * What a teacher changes about a training run.
 *
 * @throws ThumbnetError when it does not fit the network
 */
export function distillationHooks(
  teacher: Network,
  network: Network,
  validation: Examples,
  options: DistillOptions,
): Pick<TrainHooks, "objective" | "identity" | "validationLabels"> {
  const checksum = parametersChecksum(teacher.parameters());
  return {
    objective: distillation(teacher, network, options),
    identity: { teacher: { name: teacher.description.name, checksum, ...options } },
    validationLabels: completeLabels(teacher, validation),
  };
}
