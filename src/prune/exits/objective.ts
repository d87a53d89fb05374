/** The loss of a network with exits. */
import * as tf from "@tensorflow/tfjs-core";
import { type Examples, UNLABELLED } from "../../data/training-set.ts";
import { blend, type DistillOptions, teaching } from "../../train/distill.ts";
import { type Evaluation, outputsOf, score } from "../../train/evaluate.ts";
import type { Network } from "../../train/network.ts";
import { crossEntropy, type Objective } from "../../train/step.ts";
import { outputLayers } from "./attach.ts";

export interface ExitLossOptions {
  /** Of each exit's loss, beside that of the final answer. */
  readonly weights: readonly number[];
  /** Null: exits learn from the labels alone. */
  readonly lesson: DistillOptions | null;
}

/** The same values, through which no gradient passes. */
const constant = (x: tf.Tensor) => tf.tensor(x.dataSync<"float32">(), x.shape);

/**
 * The loss of the final answer and the weighted losses of the exits, added. With a lesson exits learn beside the
 * labels what the teacher answers, and so does the final answer; where there is no teacher, exits learn what the
 * network itself answers in the end (Phuong and Lampert 2019, "Distillation-based training for multi-exit
 * architectures").
 *
 * @param teacher of the same classes, in inference
 * @param keeps see `teaching`
 */
export function exitObjective(
  teacher: Network | null,
  { weights, lesson }: ExitLossOptions,
  keeps = false,
): Objective {
  const answersTo = teacher && teaching(teacher, keeps);
  return ({ network, x, targets, batch, training }) => {
    const answers = answersTo?.(batch, x);
    const [final, ...exits] = network.forwardTo(x, outputLayers(network.description), { training });
    const loss = lesson && answers ? blend(final!, answers, targets, lesson) : crossEntropy(final!, targets);
    return exits.reduce<tf.Scalar>((sum, logits, i) => {
      const own = lesson
        ? blend(logits, answers ?? constant(final!), targets, lesson)
        : crossEntropy(logits, targets);
      return tf.add(sum, tf.mul(own, weights[i]!));
    }, loss);
  };
}

/** Accuracy and loss of final answer and exits: means by the same weights as in the loss. */
export function validateExits(
  network: Network,
  examples: Examples,
  labels: Uint16Array,
  weights: readonly number[],
): Evaluation {
  const known = Uint32Array.from(labels.keys()).filter((i) => labels[i] !== UNLABELLED);
  const logits = outputsOf(network, examples, outputLayers(network.description), known);
  const scores = logits.map((values) =>
    score(
      values,
      Uint16Array.from(known, (i) => labels[i]!),
    ),
  );
  const all = [1, ...weights];
  const total = all.reduce((a, b) => a + b);
  const mean = (of: (one: Evaluation) => number) =>
    scores.reduce((sum, one, i) => sum + all[i]! * of(one), 0) / total;
  return { accuracy: mean(({ accuracy }) => accuracy), loss: mean(({ loss }) => loss) };
}
