/** Tunes a network with exits: which of them to use, and from which confidence on they answer. */
import { Random } from "../../data/random.ts";
import { inputsOf, type TrainingSet } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { finalOutput } from "../../graph/exits.ts";
import { graphFromTflite } from "../../graph/from-tflite.ts";
import type { Exit, ExitCriterion, Graph } from "../../graph/graph.ts";
import { withExits } from "../../graph/rewrites/exits.ts";
import { elementCount } from "../../graph/shape.ts";
import { tfliteFromGraph } from "../../graph/to-tflite.ts";
import { loadModel } from "../../runtime/load.ts";
import { readTflite } from "../../tflite/read.ts";
import { writeTflite } from "../../tflite/write.ts";
import { type ExitAnswers, exitAnswers, someAnswers } from "./answers.ts";
import {
  type Costs,
  checkFit,
  type ExitCostName,
  meanCosts,
  type OperatorCosts,
  operatorCosts,
  stopCosts,
  withEnergy,
} from "./costs.ts";
import { chooseThresholds, NEVER, type OperatingPoint, type Target, ThresholdSearch } from "./thresholds.ts";

/** What is wanted, on validation examples. */
export type TuneTarget =
  /** The cheapest thresholds that are right in so many of the examples. */
  | { readonly kind: "accuracy"; readonly accuracy: number }
  /** The same, by how much less that is than the whole network is right in. */
  | { readonly kind: "loss"; readonly loss: number }
  /** The most accurate thresholds with a mean cost of no more than this. */
  | { readonly kind: ExitCostName; readonly mean: number };

export interface TuneOptions {
  readonly target: TuneTarget;
  /** What is made small; default: cycles, or MACs where the model does not fit the chip. */
  readonly cost?: ExitCostName;
  readonly criterion: ExitCriterion;
  /** A threshold for each class. */
  readonly perClass: boolean;
  /** Whether what the network answers in the end counts as right, in place of the labels. */
  readonly byNetwork: boolean;
  /** Of the halves for the held-out figures. */
  readonly seed: number;
}

/** A place where inputs stop: an exit, or the end. */
export interface TunedStop {
  readonly name: string;
  /** Of an input that stops here. */
  readonly costs: Costs;
  /** Of all examples, when they all stop here. */
  readonly accuracy: number;
  /** Of the examples, that which stops here. */
  readonly rate: number;
  /** In (0, 1]: one, or one for each class; none at the end. */
  readonly thresholds: readonly number[];
}

export interface CurvePoint {
  readonly accuracy: number;
  /** Mean cost. */
  readonly cost: number;
  /** By exit, in (0, 1]. */
  readonly thresholds: readonly (readonly number[])[];
}

export interface TuneReport {
  readonly model: string;
  readonly data: string;
  /** Validation examples. */
  readonly examples: number;
  /** Those with a label that counts; the others are right when they are answered as the whole network does. */
  readonly labelled: number;
  readonly criterion: ExitCriterion;
  readonly perClass: boolean;
  readonly target: TuneTarget;
  /** What was made small. */
  readonly cost: ExitCostName;
  /** Why there are no cycles. */
  readonly problem: string | null;
  /** The network without exits. */
  readonly whole: { readonly accuracy: number; readonly costs: Costs };
  /** Exits in use, and the end. */
  readonly stops: readonly TunedStop[];
  /** Exits that the file no longer has. */
  readonly dropped: readonly string[];
  readonly accuracy: number;
  /** Against the whole network. */
  readonly loss: number;
  readonly mean: Costs;
  readonly worst: Costs;
  /**
   * What to expect of other data: thresholds chosen in the same way on one half of the examples, applied to the other,
   * mean of both. Null where a half has none that fulfil the target.
   */
  readonly heldOut: { readonly loss: number; readonly mean: Costs } | null;
  /** All that thresholds of these exits can give, from the cheapest. */
  readonly curves: Readonly<Record<ExitCostName, readonly CurvePoint[] | null>>;
}

export interface Tuned {
  readonly graph: Graph;
  /** The int8 `.tflite` with the exits in use and their thresholds. */
  readonly bytes: Uint8Array;
  /** The class of each validation example that counted as right. */
  readonly labels: Uint16Array;
  readonly report: TuneReport;
}

/** Confidences above which an exit answers, for what is compared in 1/256. */
const inReal = (thresholds: readonly number[]) => thresholds.map((threshold) => threshold / NEVER);

/** All choices of at least one of so many exits. */
function subsets(count: number): number[][] {
  return Array.from({ length: 2 ** count - 1 }, (_, i) =>
    Array.from({ length: count }, (_, exit) => exit).filter((exit) => (i + 1) & (1 << exit)),
  );
}

interface Choice {
  readonly used: readonly number[];
  readonly search: ThresholdSearch;
  readonly point: OperatingPoint;
}

class Tuning {
  readonly #graph: Graph;
  readonly #costs: OperatorCosts;
  readonly #options: TuneOptions;
  readonly #cost: ExitCostName;

  constructor(graph: Graph, costs: OperatorCosts, options: TuneOptions) {
    this.#graph = graph;
    this.#costs = costs;
    this.#options = options;
    const { target, cost } = options;
    const wanted = target.kind === "macs" || target.kind === "cycles" ? target.kind : cost;
    this.#cost = wanted ?? (costs.cycles ? "cycles" : "macs");
  }

  get cost(): ExitCostName {
    return this.#cost;
  }

  search(answers: ExitAnswers, used: readonly number[], cost: ExitCostName): ThresholdSearch {
    const { criterion, perClass } = this.#options;
    const costs = stopCosts(this.#graph, used, this.#costs[cost]!);
    return new ThresholdSearch({ answers, used, criterion, costs, perClass });
  }

  #target(answers: ExitAnswers): Target {
    const { target } = this.#options;
    if (target.kind === "accuracy") return { kind: "accuracy", atLeast: target.accuracy };
    // Sums of shares are not exact: a loss of 0 is one of less than any example is.
    if (target.kind === "loss")
      return { kind: "accuracy", atLeast: wholeAccuracy(answers) - target.loss - 1e-9 };
    return { kind: "cost", atMost: target.mean };
  }

  /** The best choice of exits and thresholds; null where none fulfils the target. */
  choose(answers: ExitAnswers): Choice | null {
    const target = this.#target(answers);
    let best: Choice | null = null;
    for (const used of subsets(answers.exits.length)) {
      const search = this.search(answers, used, this.#cost);
      const point = chooseThresholds(search, search.front(), target);
      if (point === null) continue;
      const isBetter =
        best === null ||
        (target.kind === "accuracy" ? point.cost < best.point.cost : point.accuracy > best.point.accuracy);
      if (isBetter) best = { used, search, point };
    }
    return best;
  }

  /** The mean of what inputs cost that stop so often at each place. */
  mean(used: readonly number[], rates: readonly number[]): Costs {
    return this.#each((operators) =>
      stopCosts(this.#graph, used, operators).reduce((sum, cost, i) => sum + cost * rates[i]!, 0),
    );
  }

  #each(of: (operators: readonly number[]) => number): Costs {
    const { macs, cycles } = this.#costs;
    return withEnergy(of(macs), cycles && of(cycles));
  }

  /** Of an input that stops at a place. */
  at(used: readonly number[], stop: number): Costs {
    return this.#each((operators) => stopCosts(this.#graph, used, operators)[stop]!);
  }

  curve(answers: ExitAnswers, used: readonly number[], cost: ExitCostName): CurvePoint[] | null {
    if (this.#costs[cost] === null) return null;
    const front = this.search(answers, used, cost).front();
    return front.map(({ accuracy, cost: mean, thresholds }) => ({
      accuracy,
      cost: mean,
      thresholds: thresholds.map(inReal),
    }));
  }

  /** Thresholds of one half on the other, both ways. */
  heldOut(answers: ExitAnswers): TuneReport["heldOut"] {
    const order = Array.from(new Random(this.#options.seed).permutation(answers.count));
    const middle = answers.count >> 1;
    const halves = [order.slice(0, middle), order.slice(middle)].map((half) => someAnswers(answers, half));
    const results = halves.map((half, i) => {
      const choice = half.count === 0 ? null : this.choose(half);
      if (choice === null) return null;
      const other = halves[1 - i]!;
      const { accuracy, rates } = this.search(other, choice.used, this.#cost).at(choice.point.thresholds);
      return { loss: wholeAccuracy(other) - accuracy, mean: this.mean(choice.used, rates) };
    });
    const [a, b] = results;
    if (!a || !b) return null;
    return { loss: (a.loss + b.loss) / 2, mean: meanCosts([a.mean, b.mean]) };
  }
}

const share = (top: Uint16Array, labels: Uint16Array) =>
  top.reduce((sum, value, i) => sum + (value === labels[i] ? 1 : 0), 0) / labels.length;

const wholeAccuracy = ({ final, labels }: ExitAnswers): number => share(final.top, labels);

/** Why no thresholds fulfil a target. */
function unreachable(
  graph: Graph,
  answers: ExitAnswers,
  { target }: TuneOptions,
  costs: OperatorCosts,
): string {
  const whole = `${(100 * wholeAccuracy(answers)).toFixed(2)} %`;
  if (target.kind === "accuracy") {
    return `no thresholds reach an accuracy of ${(100 * target.accuracy).toFixed(2)} %; the whole network has ${whole}`;
  }
  if (target.kind === "loss") return `no thresholds lose ${100 * target.loss} points or less`;
  const operators = costs[target.kind]!;
  const all = subsets(graph.exits!.length).map((used) => stopCosts(graph, used, operators)[0]!);
  const least = Math.round(Math.min(...all));
  return `no thresholds cost a mean of ${target.mean} ${target.kind}; the first exit alone costs ${least}`;
}

/**
 * Chooses exits and thresholds on the validation examples of a training set, for the int8 network as it runs. Exits
 * that do not help go; the others get thresholds.
 *
 * @param tflite an int8 `.tflite` with exits
 * @param onExample called after each validation example, for progress
 * @throws ThumbnetError when the model has no exits or does not fit the data, or nothing fulfils the target
 */
export async function tuneExits(
  tflite: Uint8Array,
  name: string,
  data: TrainingSet,
  options: TuneOptions,
  onExample: () => void = () => {},
): Promise<Tuned> {
  const source = graphFromTflite(readTflite(tflite, name), name);
  if (!source.exits?.length)
    throw new ThumbnetError(`${name}: has no exits: thumbnet exits train makes some`);
  checkFit(source, data);
  const silent = source.exits!.map((exit) => ({ ...exit, thresholds: [1] }));
  const graph = withExits(source, silent);
  const bytes = writeTflite(tfliteFromGraph(graph));
  const model = await loadModel(bytes, { name });
  const outputs = [finalOutput(graph), ...graph.exits!.map(({ tensor }) => tensor)].map((tensor) =>
    graph.outputs.indexOf(tensor),
  );
  const answers = exitAnswers(model, outputs, data.validation, options.byNetwork, onExample);
  model.dispose();
  const example = inputsOf(data.validation, [0], elementCount(data.inputShape));
  const { costs, problem } = operatorCosts(graph, bytes, example);
  if (costs.cycles === null && (options.cost === "cycles" || options.target.kind === "cycles")) {
    throw new ThumbnetError(`${name}: has no cycles to choose by: ${problem}`);
  }
  const tuning = new Tuning(graph, costs, options);
  const choice = tuning.choose(answers);
  if (choice === null) throw new ThumbnetError(`${name}: ${unreachable(graph, answers, options, costs)}`);
  const { used, point } = choice;
  const exits: Exit[] = used.map((exit, i) => ({
    tensor: graph.exits![exit]!.tensor,
    criterion: options.criterion,
    thresholds: inReal(point.thresholds[i]!),
  }));
  const tuned = withExits(graph, exits);
  const nameOf = (exit: number) => graph.tensors[graph.exits![exit]!.tensor]!.name;
  const last = used.length;
  const whole = { accuracy: wholeAccuracy(answers), costs: tuning.at([], 0) };
  const report: TuneReport = {
    model: name,
    data: data.name,
    examples: answers.count,
    labelled: answers.labelled,
    criterion: options.criterion,
    perClass: options.perClass,
    target: options.target,
    cost: tuning.cost,
    problem,
    whole,
    stops: [...used.map(nameOf), graph.tensors[finalOutput(graph)]!.name].map((stop, i) => ({
      name: stop,
      costs: tuning.at(used, i),
      accuracy: share((i < last ? answers.exits[used[i]!]! : answers.final).top, answers.labels),
      rate: point.rates[i]!,
      thresholds: i < last ? inReal(point.thresholds[i]!) : [],
    })),
    dropped: graph.exits!.flatMap((_, exit) => (used.includes(exit) ? [] : [nameOf(exit)])),
    accuracy: point.accuracy,
    loss: whole.accuracy - point.accuracy,
    mean: tuning.mean(used, point.rates),
    worst: tuning.at(used, last),
    heldOut: tuning.heldOut(answers),
    curves: {
      macs: tuning.curve(answers, used, "macs"),
      cycles: tuning.curve(answers, used, "cycles"),
    },
  };
  return { graph: tuned, bytes: writeTflite(tfliteFromGraph(tuned)), labels: answers.labels, report };
}
