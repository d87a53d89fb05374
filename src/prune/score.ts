/** How well a network classifies, alone and beside another on the same examples. */
import { topClass } from "../data/top-class.ts";
import { UNLABELLED } from "../data/training-set.ts";

/** Outputs of both forms of a network, [N, classes]: the largest is the class. */
export interface Answers {
  readonly float: Float32Array;
  readonly int8: Float32Array;
  /** [N], with `UNLABELLED` */
  readonly labels: Uint16Array;
  /** Of two classes: from training examples; see `decisionThreshold`. Null: the largest output decides. */
  readonly thresholds?: Thresholds | null;
}

/** Class 1 is what scores above. A score is how far the output of class 1 is above that of class 0. */
export interface Thresholds {
  readonly float: number;
  readonly int8: number;
}

/** A loss of accuracy against another network on the same examples. */
export interface PairedLoss {
  /** Share of examples that the other has right and this one wrong, less the reverse. */
  readonly loss: number;
  /** Standard error of the loss. */
  readonly error: number;
}

export interface FormFigures {
  readonly accuracy: number;
  /** Area under the receiver operating characteristic of class 1; null unless there are two classes. */
  readonly auc: number | null;
  /** Beside the same form of the other network; null where there is none. */
  readonly agreement: number | null;
  readonly paired: PairedLoss | null;
  /** With a decision threshold, each network its own; null unless there are two classes. */
  readonly atThreshold?: ThresholdFigures | null;
}

export interface ThresholdFigures {
  readonly threshold: number;
  readonly accuracy: number;
  readonly paired: PairedLoss | null;
}

export interface PartFigures {
  readonly count: number;
  /** Examples with a label, which accuracy, AUC and loss are of; agreement is of all. */
  readonly labelled: number;
  readonly float: FormFigures;
  readonly int8: FormFigures;
  /** Share of examples that float and int8 give the same class. */
  readonly sameClass: number;
}

/** `topClass` of each row. */
export function topClasses(outputs: Float32Array, count: number): Uint16Array {
  const classes = outputs.length / count;
  return Uint16Array.from({ length: count }, (_, i) => {
    return topClass(outputs.subarray(i * classes, (i + 1) * classes));
  });
}

/**
 * The probability that an example of class 1 scores above one of class 0, ties half (Mann-Whitney).
 *
 * @param scores [N]
 * @returns null where a class has no examples
 */
export function areaUnderCurve(scores: ArrayLike<number>, labels: ArrayLike<number>): number | null {
  const order = Array.from({ length: labels.length }, (_, i) => i)
    .filter((i) => labels[i] === 0 || labels[i] === 1)
    .sort((a, b) => scores[a]! - scores[b]!);
  let [negatives, pairs, i] = [0, 0, 0];
  const positives = order.filter((index) => labels[index] === 1).length;
  while (i < order.length) {
    let [equalNegatives, equalPositives] = [0, 0];
    const value = scores[order[i]!]!;
    for (; i < order.length && scores[order[i]!] === value; i++) {
      if (labels[order[i]!] === 1) equalPositives++;
      else equalNegatives++;
    }
    pairs += equalPositives * (negatives + equalNegatives / 2);
    negatives += equalNegatives;
  }
  return positives * negatives === 0 ? null : pairs / (positives * negatives);
}

/** How far class 1 is above class 0. @param outputs [N, 2] */
function scoresOf(outputs: Float32Array): Float32Array {
  return Float32Array.from({ length: outputs.length / 2 }, (_, i) => outputs[2 * i + 1]! - outputs[2 * i]!);
}

/**
 * The threshold between two classes that gets the most right of both alike: the mean of the two classes' shares, as
 * training examples are seldom balanced. Half-way between neighbouring scores; of equals the one nearest to 0.
 *
 * @param scores [N]
 * @returns null where a class has no examples
 */
export function decisionThreshold(scores: ArrayLike<number>, labels: ArrayLike<number>): number | null {
  const order = Array.from({ length: labels.length }, (_, i) => i)
    .filter((i) => labels[i] === 0 || labels[i] === 1)
    .sort((a, b) => scores[a]! - scores[b]!);
  const positives = order.filter((i) => labels[i] === 1).length;
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  // From below all scores, where all is class 1, upwards.
  let [right0, right1] = [0, positives];
  let best = { share: 1 / 2, threshold: scores[order[0]!]! - 1 };
  order.forEach((example, i) => {
    if (labels[example] === 0) right0++;
    else right1--;
    const [here, next] = [
      scores[example]!,
      i + 1 < order.length ? scores[order[i + 1]!]! : scores[example]! + 1,
    ];
    if (here === next) return;
    const share = (right0 / negatives + right1 / positives) / 2;
    // Where nothing lies between, 0 itself is as good as the middle.
    const threshold = here <= 0 && next > 0 ? 0 : (here + next) / 2;
    const isNearer = Math.abs(threshold) < Math.abs(best.threshold);
    if (share > best.share || (share === best.share && isNearer)) best = { share, threshold };
  });
  return best.threshold;
}

/** Of both forms. @param answers on training examples; those without a class are left aside */
export function thresholdsOf({ float, int8, labels }: Answers): Thresholds | null {
  const [a, b] = [decisionThreshold(scoresOf(float), labels), decisionThreshold(scoresOf(int8), labels)];
  return a === null || b === null ? null : { float: a, int8: b };
}

function pairedLoss(own: Uint16Array, other: Uint16Array, labels: Uint16Array): PairedLoss {
  let [lost, won, count] = [0, 0, 0];
  labels.forEach((label, i) => {
    if (label === UNLABELLED) return;
    count++;
    if (other[i] === label && own[i] !== label) lost++;
    if (own[i] === label && other[i] !== label) won++;
  });
  const loss = (lost - won) / count;
  return { loss, error: Math.sqrt(Math.max(0, (lost + won) / count - loss ** 2) / count) };
}

function formFigures(own: Answers, reference: Answers | null, form: "float" | "int8"): FormFigures {
  const { labels, [form]: outputs } = own;
  const other = reference?.[form] ?? null;
  const count = labels.length;
  const classes = outputs.length / count;
  const top = topClasses(outputs, count);
  const labelled = labels.filter((label) => label !== UNLABELLED).length;
  const theirs = other && topClasses(other, count);
  const share = (wanted: Uint16Array, of: number) =>
    top.filter((value, i) => value === wanted[i]).length / of;
  return {
    accuracy: share(labels, labelled),
    auc: classes === 2 ? areaUnderCurve(scoresOf(outputs), labels) : null,
    agreement: theirs && share(theirs, count),
    paired: theirs && pairedLoss(top, theirs, labels),
    atThreshold: thresholdFigures(own, reference, form),
  };
}

function thresholdFigures(
  own: Answers,
  reference: Answers | null,
  form: "float" | "int8",
): ThresholdFigures | null {
  if (!own.thresholds) return null;
  const { labels } = own;
  const decide = (outputs: Float32Array, threshold: number) =>
    Uint16Array.from(scoresOf(outputs), (score) => (score > threshold ? 1 : 0));
  const threshold = own.thresholds[form];
  const classes = decide(own[form], threshold);
  const theirs = reference?.thresholds ? decide(reference[form], reference.thresholds[form]) : null;
  const right = classes.filter((value, i) => value === labels[i]).length;
  const labelled = labels.filter((label) => label !== UNLABELLED).length;
  return { threshold, accuracy: right / labelled, paired: theirs && pairedLoss(classes, theirs, labels) };
}

/** @param reference the answers of another network on the same examples */
export function partFigures(own: Answers, reference: Answers | null): PartFigures {
  const { labels, float, int8 } = own;
  const count = labels.length;
  const [a, b] = [topClasses(float, count), topClasses(int8, count)];
  return {
    count,
    labelled: labels.filter((label) => label !== UNLABELLED).length,
    float: formFigures(own, reference, "float"),
    int8: formFigures(own, reference, "int8"),
    sameClass: a.filter((value, i) => value === b[i]).length / count,
  };
}
