/** The choice of thresholds: which inputs stop where, and what that costs. */
import type { ExitCriterion } from "../../graph/graph.ts";
import { paretoFront } from "../../report/scatter.ts";
import type { ExitAnswers, OutputAnswers } from "./answers.ts";

/** Thresholds in 1/256, 1 to 256, of one exit: one, or one for each class. 256 is never reached. */
export type Thresholds = readonly number[];

export const NEVER = 256;

/** What an input costs that stops at each exit, and at the end: last. */
export type StopCosts = readonly number[];

/** What thresholds make of examples. */
export interface OperatingPoint {
  /** By exit. */
  readonly thresholds: readonly Thresholds[];
  readonly accuracy: number;
  /** Mean over the examples. */
  readonly cost: number;
  /** Share of the examples that stops at each exit, and at the end. */
  readonly rates: readonly number[];
}

/** Some exits of a network, what each stop costs, and how confidence is measured. */
export interface Situation {
  readonly answers: ExitAnswers;
  /** The exits that are used, of `answers.exits`, in order. */
  readonly used: readonly number[];
  readonly criterion: ExitCriterion;
  /** One more than `used`. */
  readonly costs: StopCosts;
  readonly perClass: boolean;
}

export class ThresholdSearch {
  readonly #situation: Situation;
  readonly #count: number;
  readonly #groups: number;
  /** Of each exit that is used, and last of the final answer. */
  readonly #right: readonly Uint8Array[];
  readonly #confidence: readonly Uint8Array[];
  /** By exit and example: which of the exit's thresholds counts. */
  readonly #group: readonly Uint16Array[];

  constructor(situation: Situation) {
    const { answers, used, criterion, perClass } = situation;
    const exits = used.map((exit) => answers.exits[exit]!);
    this.#situation = situation;
    this.#count = answers.count;
    this.#groups = perClass ? answers.classes : 1;
    const right = ({ top }: OutputAnswers) =>
      Uint8Array.from(top, (value, i) => (value === answers.labels[i] ? 1 : 0));
    this.#right = [...exits, answers.final].map(right);
    this.#confidence = exits.map(({ confidence }) => confidence[criterion]);
    this.#group = exits.map(({ top }) => (perClass ? top : new Uint16Array(answers.count)));
  }

  /** What thresholds give, one array for each exit that is used. */
  at(thresholds: readonly Thresholds[]): OperatingPoint {
    const { costs } = this.#situation;
    const stops = new Uint32Array(costs.length);
    let right = 0;
    for (let i = 0; i < this.#count; i++) {
      let exit = 0;
      while (exit < thresholds.length && !this.#stops(exit, i, thresholds[exit]!)) exit++;
      stops[exit]!++;
      right += this.#right[exit]![i]!;
    }
    const rates = Array.from(stops, (stopped) => stopped / this.#count);
    const cost = rates.reduce((sum, rate, i) => sum + rate * costs[i]!, 0);
    return { thresholds, accuracy: right / this.#count, cost, rates };
  }

  #stops(exit: number, example: number, thresholds: Thresholds): boolean {
    return this.#confidence[exit]![example]! >= thresholds[this.#group[exit]![example]!]!;
  }

  /** What is stopped by nothing. */
  never(): OperatingPoint {
    return this.at(this.#confidence.map(() => new Array<number>(this.#groups).fill(NEVER)));
  }

  /**
   * The thresholds that make accuracy - price * mean cost largest, exit by exit from the last to the first until
   * nothing changes: with one exit the best there are, with several ones that no change of one exit improves.
   */
  byPrice(price: number): OperatingPoint {
    const { costs } = this.#situation;
    const exits = this.#confidence.length;
    const thresholds = this.#confidence.map(() => new Array<number>(this.#groups).fill(NEVER));
    const value = (exit: number, i: number) => this.#right[exit]![i]! - price * costs[exit]!;
    let before = "";
    for (let round = 0; round < 20 && before !== JSON.stringify(thresholds); round++) {
      before = JSON.stringify(thresholds);
      for (let exit = exits - 1; exit >= 0; exit--) {
        // What stopping here gains for inputs that come so far, by group and confidence.
        const gains = new Float64Array(this.#groups * NEVER);
        for (let i = 0; i < this.#count; i++) {
          let stop = 0;
          while (stop < exit && !this.#stops(stop, i, thresholds[stop]!)) stop++;
          if (stop < exit) continue;
          for (stop++; stop < exits && !this.#stops(stop, i, thresholds[stop]!); ) stop++;
          const index = this.#group[exit]![i]! * NEVER + this.#confidence[exit]![i]!;
          gains[index]! += value(exit, i) - value(stop, i);
        }
        for (let group = 0; group < this.#groups; group++) {
          thresholds[exit]![group] = bestThreshold(gains.subarray(group * NEVER, (group + 1) * NEVER));
        }
      }
    }
    return this.at(thresholds);
  }

  /** Points from the most accurate to the cheapest, none cheaper and as accurate as another. */
  front(): OperatingPoint[] {
    const unit = Math.max(...this.#situation.costs);
    const prices = [0, ...Array.from({ length: PRICES }, (_, i) => LEAST_PRICE * PRICE_STEP ** i)];
    const points = [this.never(), ...prices.map((price) => this.byPrice(price / unit))];
    if (this.#groups === 1 && this.#confidence.length === 1) {
      for (let threshold = 1; threshold < NEVER; threshold++) points.push(this.at([[threshold]]));
    }
    return paretoFront(points.map((point) => ({ x: point.cost, y: point.accuracy, point }))).map(
      ({ point }) => point,
    );
  }

  /**
   * From a point that is allowed, the best that changes of one threshold at a time lead to.
   *
   * @param isBetter whether the first of two points is the better one; a point that is not allowed never is
   */
  refine(start: OperatingPoint, isBetter: (a: OperatingPoint, b: OperatingPoint) => boolean): OperatingPoint {
    let best = start;
    for (let changed = true; changed; ) {
      changed = false;
      for (const exit of start.thresholds.keys()) {
        for (let group = 0; group < this.#groups; group++) {
          const now = best;
          for (let threshold = 1; threshold <= NEVER; threshold++) {
            const point = this.at(
              now.thresholds.map((values, e) => (e === exit ? values.with(group, threshold) : values)),
            );
            if (isBetter(point, best)) [best, changed] = [point, true];
          }
        }
      }
    }
    return best;
  }
}

/** Of accuracy, for a whole network's cost: from hardly any to more than any network is worth. */
const LEAST_PRICE = 1e-4;
const PRICE_STEP = 1.15;
const PRICES = 70;

/** @param gains by confidence */
function bestThreshold(gains: Float64Array): number {
  let [best, most, sum] = [NEVER, 1e-9, 0];
  for (let confidence = NEVER - 1; confidence >= 1; confidence--) {
    sum += gains[confidence]!;
    if (sum > most) [best, most] = [confidence, sum];
  }
  return best;
}

/** The cheapest points that are so accurate are wanted, or the most accurate that are so cheap. */
export type Target =
  | { readonly kind: "accuracy"; readonly atLeast: number }
  | { readonly kind: "cost"; readonly atMost: number };

/** Thresholds that fulfil a target best; null where none do. */
export function chooseThresholds(
  search: ThresholdSearch,
  front: readonly OperatingPoint[],
  target: Target,
): OperatingPoint | null {
  const isAllowed = (point: OperatingPoint) =>
    target.kind === "accuracy" ? point.accuracy >= target.atLeast : point.cost <= target.atMost;
  const isBetter = (a: OperatingPoint, b: OperatingPoint) =>
    isAllowed(a) &&
    (target.kind === "accuracy"
      ? a.cost < b.cost || (a.cost === b.cost && a.accuracy > b.accuracy)
      : a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.cost < b.cost));
  const allowed = front.filter(isAllowed);
  if (allowed.length === 0) return null;
  const start = allowed.reduce((best, point) => (isBetter(point, best) ? point : best));
  return search.refine(start, isBetter);
}
