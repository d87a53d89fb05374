/** What a quantised network with exits gives on examples, output by output. */
import { type Examples, inputsOf, UNLABELLED } from "../../data/training-set.ts";
import type { ExitCriterion } from "../../graph/graph.ts";
import type { Model } from "../../runtime/model.ts";

/** Classes and confidences of one output. */
export interface OutputAnswers {
  /** [N], the largest, the first on a tie. */
  readonly top: Uint16Array;
  /** [N], in 1/256: 0 to 255, as it is compared with a threshold at run time. */
  readonly confidence: Record<ExitCriterion, Uint8Array>;
}

export interface ExitAnswers {
  readonly count: number;
  readonly classes: number;
  /** In the order in which they are decided. */
  readonly exits: readonly OutputAnswers[];
  readonly final: OutputAnswers;
  /** [N], the class that counts as right. */
  readonly labels: Uint16Array;
  /** How many have a label of their own; the others count as the whole network answers them. */
  readonly labelled: number;
}

/** @param scores [N, classes], int8 with zero point -128 and scale 1/256 */
export function outputAnswers(scores: Int8Array, classes: number): OutputAnswers {
  const count = scores.length / classes;
  const top = new Uint16Array(count);
  const confidence = { top: new Uint8Array(count), margin: new Uint8Array(count) };
  for (let i = 0; i < count; i++) {
    let [best, first, second] = [0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let c = 0; c < classes; c++) {
      const value = scores[i * classes + c]!;
      if (value > first) [best, first, second] = [c, value, first];
      else if (value > second) second = value;
    }
    top[i] = best;
    confidence.top[i] = first + 128;
    confidence.margin[i] = first - second;
  }
  return { top, confidence };
}

/**
 * Runs examples through the whole network.
 *
 * @param outputs positions among the model's outputs: the final one, then the exits
 * @param isJudgedByNetwork whether what the network answers in the end counts as right, whatever the labels say
 */
export function exitAnswers(
  model: Model,
  outputs: readonly number[],
  examples: Examples,
  isJudgedByNetwork: boolean,
  onExample: () => void = () => {},
): ExitAnswers {
  const classes = model.outputs[outputs[0]!]!.elements;
  const scores = outputs.map(() => new Int8Array(examples.count * classes));
  const { elements } = model.inputs[0]!;
  for (let i = 0; i < examples.count; i++) {
    const results = model.runAll(inputsOf(examples, [i], elements));
    outputs.forEach((output, k) => {
      scores[k]!.set(results[output] as Int8Array, i * classes);
    });
    onExample();
  }
  const [final, ...exits] = scores.map((values) => outputAnswers(values, classes));
  const own = isJudgedByNetwork ? new Uint16Array(examples.count).fill(UNLABELLED) : examples.labels;
  return {
    count: examples.count,
    classes,
    exits,
    final: final!,
    labels: own.map((label, i) => (label === UNLABELLED ? final!.top[i]! : label)),
    labelled: own.filter((label) => label !== UNLABELLED).length,
  };
}

/** Some of the examples. */
export function someAnswers(answers: ExitAnswers, indices: readonly number[]): ExitAnswers {
  const of = <T extends Uint8Array | Uint16Array>(values: T): T =>
    values.filter((_, i) => chosen[i] === 1) as T;
  const chosen = new Uint8Array(answers.count);
  for (const index of indices) chosen[index] = 1;
  const some = ({ top, confidence }: OutputAnswers): OutputAnswers => ({
    top: of(top),
    confidence: { top: of(confidence.top), margin: of(confidence.margin) },
  });
  return {
    ...answers,
    count: indices.length,
    exits: answers.exits.map(some),
    final: some(answers.final),
    labels: of(answers.labels),
  };
}
