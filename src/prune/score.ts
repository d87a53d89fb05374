/** How well a network classifies, alone and beside another on the same examples. */
import { topClass } from "../data/top-class.ts";
import { UNLABELLED } from "../data/training-set.ts";

/** Outputs of both forms of a network, [N, classes]: the largest is the class. */
export interface Answers {
  readonly float: Float32Array;
  readonly int8: Float32Array;
  /** [N], with `UNLABELLED` */
  readonly labels: Uint16Array;
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
function topClasses(outputs: Float32Array, count: number): Uint16Array {
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

function formFigures(outputs: Float32Array, other: Float32Array | null, labels: Uint16Array): FormFigures {
  const count = labels.length;
  const classes = outputs.length / count;
  const top = topClasses(outputs, count);
  const labelled = labels.filter((label) => label !== UNLABELLED).length;
  const theirs = other && topClasses(other, count);
  const share = (wanted: Uint16Array, of: number) =>
    top.filter((value, i) => value === wanted[i]).length / of;
  const scores = Float32Array.from(labels, (_, i) => outputs[i * classes + 1]! - outputs[i * classes]!);
  return {
    accuracy: share(labels, labelled),
    auc: classes === 2 ? areaUnderCurve(scores, labels) : null,
    agreement: theirs && share(theirs, count),
    paired: theirs && pairedLoss(top, theirs, labels),
  };
}

/** @param reference the answers of another network on the same examples */
export function partFigures(own: Answers, reference: Answers | null): PartFigures {
  const { labels, float, int8 } = own;
  const count = labels.length;
  const [a, b] = [topClasses(float, count), topClasses(int8, count)];
  return {
    count,
    labelled: labels.filter((label) => label !== UNLABELLED).length,
    float: formFigures(float, reference?.float ?? null, labels),
    int8: formFigures(int8, reference?.int8 ?? null, labels),
    sameClass: a.filter((value, i) => value === b[i]).length / count,
  };
}
