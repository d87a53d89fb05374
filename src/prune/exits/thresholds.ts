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

type Gain = Pick<OperatingPoint, "accuracy" | "cost">;

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

  /**
   * Points from the cheapest to the most accurate, none cheaper and as accurate as another: all there are of up to two
   * exits whose classes share a threshold, else those that some price makes best.
   */
  front(): OperatingPoint[] {
    const unit = Math.max(...this.#situation.costs);
    const prices = [0, ...Array.from({ length: PRICES }, (_, i) => LEAST_PRICE * PRICE_STEP ** i)];
    return frontOf([
      this.never(),
      ...prices.map((price) => this.byPrice(price / unit)),
      ...(this.#groups === 1 && this.#confidence.length <= 2 ? this.#all() : []),
    ]);
  }

  /** The front of all thresholds that one exit or two can have. */
  #all(): OperatingPoint[] {
    const last = this.#confidence.length - 1;
    const firsts = last === 0 ? [[]] : Array.from({ length: NEVER }, (_, i) => [[i + 1]]);
    const points = firsts.flatMap((first) =>
      this.#sweep([...first, [NEVER]], last, 0).map(({ accuracy, cost }, i) => {
        return { accuracy, cost, thresholds: [...first, [i + 1]] };
      }),
    );
    return frontOf(points).map(({ thresholds }) => this.at(thresholds));
  }

  /** What each threshold of one exit and group gives, the others being what they are: from 1 to `NEVER`. */
  #sweep(thresholds: readonly Thresholds[], exit: number, group: number): Gain[] {
    const { costs } = this.#situation;
    const [right, cost] = [new Float64Array(NEVER + 1), new Float64Array(NEVER + 1)];
    for (let i = 0; i < this.#count; i++) {
      let stop = 0;
      while (stop < exit && !this.#stops(stop, i, thresholds[stop]!)) stop++;
      const isReached = stop === exit && this.#group[exit]![i] === group;
      if (isReached) stop++;
      while (stop < thresholds.length && !this.#stops(stop, i, thresholds[stop]!)) stop++;
      right[NEVER]! += this.#right[stop]![i]!;
      cost[NEVER]! += costs[stop]!;
      if (!isReached) continue;
      const confidence = this.#confidence[exit]![i]!;
      right[confidence]! += this.#right[exit]![i]! - this.#right[stop]![i]!;
      cost[confidence]! += costs[exit]! - costs[stop]!;
    }
    for (let threshold = NEVER - 1; threshold >= 1; threshold--) {
      right[threshold]! += right[threshold + 1]!;
      cost[threshold]! += cost[threshold + 1]!;
    }
    return Array.from({ length: NEVER }, (_, i) => ({
      accuracy: right[i + 1]! / this.#count,
      cost: cost[i + 1]! / this.#count,
    }));
  }

  /**
   * From a point that is allowed, the best that changes of one threshold at a time lead to; where classes share a
   * threshold, of two exits at a time.
   *
   * @param isBetter whether the first of two points is the better one; a point that is not allowed never is
   */
  refine(start: OperatingPoint, isBetter: (a: Gain, b: Gain) => boolean): OperatingPoint {
    const exits = [...start.thresholds.keys()];
    const replaced = (thresholds: readonly Thresholds[], exit: number, group: number, value: number) =>
      thresholds.map((values, i) => (i === exit ? values.with(group, value) : values));
    let best = start;
    /** Takes the best threshold of one exit and group, if that is better than what there is. */
    const improve = (thresholds: readonly Thresholds[], exit: number, group: number): boolean => {
      let [gain, value]: [Gain, number] = [best, 0];
      for (const [i, found] of this.#sweep(thresholds, exit, group).entries()) {
        if (isBetter(found, gain)) [gain, value] = [found, i + 1];
      }
      const point = value === 0 ? best : this.at(replaced(thresholds, exit, group, value));
      // The sums of a sweep are rounded otherwise.
      if (!isBetter(point, best)) return false;
      best = point;
      return true;
    };
    for (let changed = true; changed; ) {
      changed = false;
      for (const exit of exits) {
        for (let group = 0; group < this.#groups; group++) {
          changed = improve(best.thresholds, exit, group) || changed;
        }
        if (this.#groups > 1) continue;
        for (const other of exits.slice(exit + 1)) {
          const { thresholds } = best;
          for (let value = 1; value <= NEVER; value++) {
            changed = improve(replaced(thresholds, exit, 0, value), other, 0) || changed;
          }
        }
      }
    }
    return best;
  }
}

const frontOf = <T extends Gain>(points: readonly T[]): T[] =>
  paretoFront(points.map((point) => ({ x: point.cost, y: point.accuracy, point }))).map(({ point }) => point);

/** Of accuracy, for a whole network's cost: from hardly any to more than any network is worth. */
const LEAST_PRICE = 1e-4;
const PRICE_STEP = 1.15;
const PRICES = 70;

/** Points of the front that are refined: changes of one threshold at a time do not lead everywhere. */
const STARTS = 6;

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
  const isAllowed = (point: Gain) =>
    target.kind === "accuracy" ? point.accuracy >= target.atLeast : point.cost <= target.atMost;
  const isBetter = (a: Gain, b: Gain) =>
    isAllowed(a) &&
    (target.kind === "accuracy"
      ? a.cost < b.cost || (a.cost === b.cost && a.accuracy > b.accuracy)
      : a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.cost < b.cost));
  const starts = front.filter(isAllowed).sort((a, b) => (isBetter(a, b) ? -1 : 1));
  const refined = starts.slice(0, STARTS).map((start) => search.refine(start, isBetter));
  return refined.reduce<OperatingPoint | null>(
    (best, point) => (best === null || isBetter(point, best) ? point : best),
    null,
  );
}
