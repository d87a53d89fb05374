/** Depth pruning: cuts a network after each block, trains heads, and measures what comes of it. */
import { join } from "node:path";
import { makeFolder, writeWhole } from "../../data/files.ts";
import { type TrainingSet, UNLABELLED } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { formatShape } from "../../graph/shape.ts";
import { writeNetwork } from "../../train/checkpoint.ts";
import { FLOAT_FILE, INT8_FILE } from "../../train/exported-files.ts";
import { BEST_FILE, checkFit, type EpochReport, type StepReport, type TrainHooks } from "../../train/loop.ts";
import { classCount, type NetworkDescription, networkCost } from "../../train/network/description.ts";
import { parametersChecksum } from "../../train/network/parameters.ts";
import { Network } from "../../train/network.ts";
import { type Measurement, type MeasureOptions, measureNetwork } from "../measure.ts";
import { type PlainNetwork, tailOf } from "./cut-network.ts";
import { type Cut, chooseHeads, cuts } from "./cuts.ts";
import { PreparedStore } from "./features.ts";
import { headFor } from "./heads.ts";
import {
  type AddedRecord,
  type CutRecord,
  isSame,
  readRecord,
  type WholeRecord,
  writeRecord,
} from "./records.ts";
import { type CutOptions, type CutSource, cutIdentity, trainCut } from "./train-cut.ts";

export interface DepthOptions extends Omit<CutOptions, "head"> {
  /** Names of cuts; `all`: every one that shortens the network. */
  readonly cuts: readonly string[];
  /** Kinds of heads, each for every cut, or `CUT=KIND` for one; see `chooseHeads`. */
  readonly heads: readonly string[];
  /** Put into the names of folders, to tell series with other options apart. */
  readonly tag?: string;
  readonly measure: MeasureOptions;
  /** Kept in the results. */
  readonly command?: string;
}

/** Which of the trainings is at hand. */
export interface DepthStage {
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** Of its folder. */
  readonly name: string;
}

export interface DepthHooks extends Pick<TrainHooks, "batches" | "signal"> {
  /** @param secondsLeft estimated, for all trainings */
  readonly onStep?: (stage: DepthStage, report: StepReport, secondsLeft: number) => void;
  readonly onEpoch?: (stage: DepthStage, report: EpochReport) => void;
  readonly onMeasure?: (name: string) => void;
  /** After each network, when its result is in the folder. */
  readonly onResult?: () => Promise<void>;
}

/** A network beside those of the cuts. */
export interface AddedNetwork {
  readonly name: string;
  readonly network: PlainNetwork;
}

/** What cuts are measured beside. */
export interface DepthComparison {
  /**
   * The whole network that losses are counted against, where it is not the one that is cut: the same layers, trained
   * for as long as network and cut together, say.
   */
  readonly reference?: PlainNetwork | null;
  readonly added?: readonly AddedNetwork[];
}

export const WHOLE_FOLDER = "whole";

interface Job {
  readonly cut: Cut;
  readonly name: string;
  readonly options: CutOptions;
  /** Multiply-accumulates that an example takes in training, roughly. */
  readonly cost: number;
}

/** What a name becomes in a path. */
const inPath = (text: string) => text.replace(/[^\w.]+/g, "_");

class DepthPruning {
  readonly #source: CutSource;
  /** The whole network that all are compared with. */
  readonly #whole: PlainNetwork;
  readonly #out: string;
  readonly #options: DepthOptions;
  readonly #hooks: DepthHooks;
  readonly #jobs: readonly Job[];
  /** Measured when it is first asked for: where all results are there already, it need not be. */
  #reference: Measurement | null = null;

  constructor(source: CutSource, whole: PlainNetwork, out: string, options: DepthOptions, hooks: DepthHooks) {
    this.#source = source;
    this.#whole = whole;
    this.#out = out;
    this.#options = options;
    this.#hooks = hooks;
    const { frozen, lesson, tag, train } = options;
    const variant = [
      frozen ? "frozen" : "unfrozen",
      ...(lesson ? ["distilled"] : []),
      ...(tag === undefined ? [] : [tag]),
      `seed${train.seed}`,
    ];
    const { description } = source.plain;
    this.#jobs = chooseHeads(description, options.cuts, options.heads).map(({ cut, head }) => ({
      cut,
      name: [cut.name, head, ...variant].map(inPath).join("-"),
      options: { ...options, head },
      cost: this.#cost(cut, head),
    }));
  }

  /** Learning costs three times what answering does. @throws ThumbnetError when there is no such head */
  #cost(cut: Cut, head: string): number {
    const { plain, data, teacher } = this.#source;
    const { frozen, lesson } = this.#options;
    const tail = networkCost(tailOf(plain, cut).description).macs;
    const layers = headFor(head, data.classes.length, cut.shape);
    const inputShape = cut.shape as readonly [number, number, number];
    const own = networkCost({ name: head, inputShape, layers }).macs;
    const whole = networkCost((teacher ?? this.#source.network).description).macs;
    const lessons = lesson === null ? 0 : frozen && teacher === null ? whole - tail : whole;
    return (frozen ? tail : 3 * tail) + 3 * own + lessons;
  }

  /** @returns whether all was done, and not stopped by the signal */
  async run(added: readonly AddedNetwork[]): Promise<boolean> {
    await this.#keepWhole();
    for (const network of added) await this.#added(network);
    for (const index of this.#jobs.keys()) {
      if (this.#hooks.signal?.aborted || !(await this.#job(index))) return false;
    }
    return true;
  }

  /** What every result depends on. */
  #shared(): Record<string, unknown> {
    const { data } = this.#source;
    const { description, parameters } = this.#whole;
    const whole = { name: description.name, checksum: parametersChecksum(parameters) };
    return { whole, data: data.name, measure: this.#options.measure };
  }

  async #measureWhole(): Promise<Measurement> {
    if (this.#reference === null) {
      this.#reference = await this.#measure(this.#whole, null, WHOLE_FOLDER);
    }
    return this.#reference;
  }

  #measure(
    network: PlainNetwork,
    reference: Measurement["answers"] | null,
    name: string,
  ): Promise<Measurement> {
    this.#hooks.onMeasure?.(name);
    const { description, parameters } = network;
    return measureNetwork(description, parameters, this.#source.data, this.#options.measure, reference);
  }

  /** Writes the files of a measured network, its result last. */
  async #keep(
    name: string,
    { float, int8 }: Measurement,
    record: CutRecord | WholeRecord | AddedRecord,
  ): Promise<void> {
    const folder = join(this.#out, name);
    await makeFolder(folder);
    await writeWhole(join(folder, FLOAT_FILE), float);
    await writeWhole(join(folder, INT8_FILE), int8);
    await writeRecord(folder, record);
    await this.#hooks.onResult?.();
  }

  async #keepWhole(): Promise<void> {
    const identity = this.#shared();
    const found = await readRecord(join(this.#out, WHOLE_FOLDER));
    if (found !== null && isSame(found.identity, identity)) return;
    const isOther = (key: string) => found !== null && !isSame(found.identity[key], identity[key]);
    // With another reference, what was counted against the one before stays out of the report until it is counted anew.
    if (isOther("data") || (isOther("whole") && this.#whole === this.#source.plain)) {
      throw new ThumbnetError(
        `${this.#out}: holds results of another network or data set; choose another folder`,
      );
    }
    const measured = await this.#measureWhole();
    const { description } = this.#whole;
    await this.#keep(WHOLE_FOLDER, measured, {
      kind: "whole",
      network: description.name,
      inputShape: description.inputShape,
      classes: classCount(description),
      cuts: cuts(description).map(({ name }) => name),
      identity,
      command: this.#options.command ?? null,
      figures: measured.figures,
    });
  }

  async #added({ name, network }: AddedNetwork): Promise<void> {
    const folder = `added-${inPath(name)}`;
    const identity = { ...this.#shared(), added: parametersChecksum(network.parameters) };
    const found = await readRecord(join(this.#out, folder));
    if (found !== null && isSame(found.identity, identity)) return;
    checkFit(network.description, this.#source.data);
    const { answers } = await this.#measureWhole();
    const measured = await this.#measure(network, answers, name);
    const { figures } = measured;
    const command = this.#options.command ?? null;
    await this.#keep(folder, measured, { kind: "added", name, identity, command, figures });
  }

  /** @returns whether it was finished */
  async #job(index: number): Promise<boolean> {
    const { cut, name, options } = this.#jobs[index]!;
    const { data } = this.#source;
    const folder = join(this.#out, name);
    const identity = {
      ...this.#shared(),
      cut: cutIdentity(this.#source, cut, options),
      train: options.train,
    };
    const found = await readRecord(folder);
    if (found !== null && isSame(found.identity, identity)) return true;
    await makeFolder(folder);
    const stage: DepthStage = { index, count: this.#jobs.length, name };
    const { signal, onStep, onEpoch } = this.#hooks;
    const { plain, result } = await trainCut(this.#source, cut, folder, options, {
      ...(signal && { signal }),
      onStep: (report) => onStep?.(stage, report, this.#secondsLeft(index, report)),
      onEpoch: (report) => onEpoch?.(stage, report),
    });
    if (!result.finished) return false;
    const { epochs, bestEpoch, bestAccuracy: accuracy } = result;
    await writeNetwork(join(folder, BEST_FILE), {
      ...plain,
      classes: data.classes,
      origin: { ...identity, epoch: bestEpoch, accuracy },
    });
    const { answers } = await this.#measureWhole();
    const measured = await this.#measure(plain, answers, name);
    await this.#keep(name, measured, {
      kind: "cut",
      cut: cut.name,
      head: options.head,
      frozen: options.frozen,
      distilled: options.lesson !== null,
      tag: this.#options.tag ?? null,
      seed: options.train.seed,
      epochs,
      bestEpoch,
      identity,
      command: this.#options.command ?? null,
      figures: measured.figures,
    });
    return true;
  }

  /** Of this training as it tells itself, and of those to come by what they cost. */
  #secondsLeft(index: number, { epoch, step, steps, secondsLeft }: StepReport): number {
    const remaining = 1 - (epoch * steps + step) / (this.#options.train.epochs * steps);
    if (remaining <= 0) return secondsLeft;
    const cost = (jobs: readonly Job[]) => jobs.reduce((sum, job) => sum + job.cost, 0);
    const later = cost(this.#jobs.slice(index + 1)) / this.#jobs[index]!.cost;
    return secondsLeft * (1 + later / remaining);
  }
}

/** @throws ThumbnetError where the networks are not of the same layers */
export function checkReference({ description: own }: PlainNetwork, { description }: PlainNetwork): void {
  const inWords = (network: NetworkDescription) => {
    const { macs, kerasParameters } = networkCost(network);
    const [shape, classes] = [formatShape(network.inputShape), classCount(network)];
    return `${kerasParameters} parameters and ${macs} multiply-accumulates from ${shape} to ${classes} classes`;
  };
  if (inWords(own) === inWords(description)) return;
  throw new ThumbnetError(
    `${description.name}: has ${inWords(description)}; the network that is cut, ${own.name}, has ${inWords(own)}: losses are counted against the same network`,
  );
}

/**
 * Prunes a network in depth (De Leon and Atienza 2022): after each cut a small head is trained, on a frozen tail or
 * together with it, from the labels or from what a teacher answers; then the shortened network is quantised and
 * measured, beside the whole one. Results that are in the folder already stay; a run that was stopped goes on.
 *
 * @param teacher null: the network itself, where `options.lesson` asks for one
 * @param out a folder, made where it is missing: `whole/`, and one for each cut and head
 * @returns false when the signal stopped it
 * @throws ThumbnetError when network, data and options do not fit, the folder is of another network, or as `train`
 */
export async function pruneDepth(
  plain: PlainNetwork,
  teacher: PlainNetwork | null,
  data: TrainingSet,
  out: string,
  options: DepthOptions,
  hooks: DepthHooks = {},
  { reference = null, added = [] }: DepthComparison = {},
): Promise<boolean> {
  checkFit(plain.description, data);
  if (reference !== null) checkReference(plain, reference);
  if (teacher !== null) checkFit(teacher.description, data);
  if (options.lesson === null && data.train.labels.includes(UNLABELLED)) {
    throw new ThumbnetError(`${data.name}: has examples without a class, which only a teacher can answer`);
  }
  await makeFolder(out);
  const open = ({ description, parameters }: PlainNetwork, scope: string) =>
    new Network(description, parameters, scope);
  const network = open(plain, "whole/");
  const other = teacher && open(teacher, "teacher/");
  try {
    const source: CutSource = {
      plain,
      network,
      teacher: other,
      data,
      prepared: new PreparedStore(),
      ...(hooks.batches && { batches: hooks.batches }),
    };
    return await new DepthPruning(source, reference ?? plain, out, options, hooks).run(added);
  } finally {
    network.dispose();
    other?.dispose();
  }
}
