/** Trains early exits: heads on a frozen network, or together with it. */
import { join } from "node:path";
import { makeFolder } from "../../data/files.ts";
import { type TrainingSet, UNLABELLED } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { readNetwork } from "../../train/checkpoint.ts";
import { completeLabels, type DistillOptions } from "../../train/distill.ts";
import { outputsOf, score } from "../../train/evaluate.ts";
import {
  BEST_FILE,
  checkFit,
  type EpochReport,
  type StepReport,
  type TrainHooks,
  type TrainOptions,
  train,
} from "../../train/loop.ts";
import { classCount } from "../../train/network/description.ts";
import { parametersChecksum } from "../../train/network/parameters.ts";
import { Network } from "../../train/network.ts";
import { freshHead, type PlainNetwork } from "../depth/cut-network.ts";
import { type Cut, findCut } from "../depth/cuts.ts";
import { PreparedStore } from "../depth/features.ts";
import { HEAD_PREFIX } from "../depth/heads.ts";
import { type CutSource, TRAINING_FOLDER, trainCut } from "../depth/train-cut.ts";
import { attachExits, exitName, outputLayers } from "./attach.ts";
import { calibrationError, fitTemperature } from "./calibrate.ts";
import { exitObjective, validateExits } from "./objective.ts";

export interface ExitTrainOptions {
  /** In the order in which they are decided: a cut's name and a kind of head (see `headFor`). */
  readonly exits: readonly { readonly cut: string; readonly head: string }[];
  /** Of each exit's loss, beside that of the final answer. Frozen heads learn each alone. */
  readonly weight: number;
  /** Whether the network stays as it is. */
  readonly frozen: boolean;
  /** Of a network that learns: what its learning rate is multiplied by. */
  readonly trunkRate: number;
  /** Share of an exit's last features that dropout clears. */
  readonly dropout: number;
  /** Null: from the labels alone. */
  readonly lesson: DistillOptions | null;
  readonly train: TrainOptions;
  /** The most that features of a frozen network may take in memory when they are kept for all epochs. */
  readonly cacheBytes: number;
}

export interface ExitTrainHooks extends Pick<TrainHooks, "batches" | "signal"> {
  /** @param part which exit is trained; all at once: 0 of 1 */
  readonly onStep?: (part: number, parts: number, report: StepReport) => void;
  readonly onEpoch?: (part: number, parts: number, report: EpochReport) => void;
}

/** How good an output and its confidence are, on validation examples. */
export interface Calibration {
  /** Of all examples; what nobody labelled counts as the final output answers it. */
  readonly accuracy: number;
  readonly temperature: number;
  /** Expected calibration error without and with the temperature, of labelled examples; null where there are none. */
  readonly errorBefore: number | null;
  readonly errorAfter: number | null;
}

export interface TrainedExits {
  readonly plain: PlainNetwork;
  /** Of the final answer, then of each exit. */
  readonly calibration: readonly Calibration[];
}

/** The head of a network that was cut. */
function headOf({ description, parameters }: PlainNetwork): PlainNetwork {
  const layers = description.layers.filter(({ name }) => name.startsWith(HEAD_PREFIX));
  const kept = [...parameters].filter(([name]) => name.startsWith(HEAD_PREFIX));
  return { description: { ...description, layers }, parameters: new Map(kept) };
}

/** What decides the result, beside data and training options: plain data. */
export function exitIdentity(
  plain: PlainNetwork,
  teacher: Network | null,
  { exits, weight, frozen, trunkRate, dropout, lesson }: ExitTrainOptions,
): Record<string, unknown> {
  const { name } = plain.description;
  return {
    from: { name, checksum: parametersChecksum(plain.parameters) },
    exits: exits.map(({ cut, head }) => `${cut}=${head}`),
    frozen,
    dropout,
    ...(!frozen && { weight, trunkRate }),
    lesson: lesson && {
      ...lesson,
      teacher: teacher && {
        name: teacher.description.name,
        checksum: parametersChecksum(teacher.parameters()),
      },
    },
  };
}

interface Place {
  readonly cut: Cut;
  readonly head: string;
}

class ExitTraining {
  readonly #source: CutSource;
  readonly #out: string;
  readonly #options: ExitTrainOptions;
  readonly #hooks: ExitTrainHooks;
  readonly #places: readonly Place[];

  constructor(source: CutSource, out: string, options: ExitTrainOptions, hooks: ExitTrainHooks) {
    this.#source = source;
    this.#out = out;
    this.#options = options;
    this.#hooks = hooks;
    const { description } = source.plain;
    this.#places = options.exits.map(({ cut, head }) => ({ cut: findCut(description, cut), head }));
  }

  #withFreshHeads(): PlainNetwork {
    const { plain } = this.#source;
    const { dropout, train: settings } = this.#options;
    const classes = classCount(plain.description);
    return attachExits(
      plain,
      this.#places.map(({ cut, head }) => ({
        cut,
        head: freshHead(plain, cut, head, classes, settings.seed, { dropout }),
      })),
    );
  }

  /** Checks exits and their order before anything is trained. @returns null when the signal stopped it */
  async run(): Promise<PlainNetwork | null> {
    const fresh = this.#withFreshHeads();
    return this.#options.frozen ? this.#eachHead() : this.#together(fresh);
  }

  #reports(part: number, parts: number) {
    const { signal, onStep, onEpoch } = this.#hooks;
    return {
      ...(signal && { signal }),
      onStep: (report: StepReport) => onStep?.(part, parts, report),
      onEpoch: (report: EpochReport) => onEpoch?.(part, parts, report),
    };
  }

  async #eachHead(): Promise<PlainNetwork | null> {
    const { plain } = this.#source;
    const { trunkRate: tailRate, lesson, ...shared } = this.#options;
    const heads: PlainNetwork[] = [];
    for (const [i, { cut, head }] of this.#places.entries()) {
      const folder = join(this.#out, exitName(i));
      const options = { ...shared, head, tailRate, lesson: lesson && { ...lesson, similarity: 0 } };
      const reports = this.#reports(i, this.#places.length);
      const { plain: shortened, result } = await trainCut(this.#source, cut, folder, options, reports);
      if (!result.finished) return null;
      heads.push(headOf(shortened));
    }
    return attachExits(
      plain,
      heads.map((head, i) => ({ cut: this.#places[i]!.cut, head })),
    );
  }

  async #together(fresh: PlainNetwork): Promise<PlainNetwork | null> {
    const { plain, network: whole, teacher, data, batches } = this.#source;
    const { lesson, weight, trunkRate, train: settings } = this.#options;
    const weights = this.#places.map(() => weight);
    const folder = join(this.#out, TRAINING_FOLDER);
    await makeFolder(folder);
    const labels = lesson ? completeLabels(teacher ?? whole, data.validation) : data.validation.labels;
    const trunk = new Set(plain.parameters.keys());
    const network = new Network(fresh.description, fresh.parameters, "student/");
    try {
      const result = await train(network, data, folder, settings, {
        ...this.#reports(0, 1),
        ...(batches && { batches }),
        identity: exitIdentity(plain, teacher, this.#options),
        objective: exitObjective(teacher, { weights, lesson }, settings.variants > 0),
        validate: (candidate) => validateExits(candidate, data.validation, labels, weights),
        rateFactor: (parameter) => (trunk.has(parameter) ? trunkRate : 1),
      });
      return result.finished ? await readNetwork(join(folder, BEST_FILE)) : null;
    } finally {
      network.dispose();
    }
  }
}

/** Temperatures of all outputs on validation data: what nobody labelled counts for exits as the network answers it. */
function calibrate(plain: PlainNetwork, { validation }: TrainingSet): TrainedExits {
  const { description, parameters } = plain;
  const network = new Network(description, parameters, "calibrated/");
  try {
    const logits = outputsOf(network, validation, outputLayers(description));
    const complete = completeLabels(network, validation);
    const calibration = logits.map((values, i): Calibration => {
      const labels = i === 0 ? validation.labels : complete;
      const temperature = fitTemperature(values, labels);
      const [errorBefore, errorAfter] = [1, temperature].map((t) =>
        calibrationError(values, validation.labels, t),
      );
      const { accuracy } = score(values, complete);
      return { accuracy, temperature, errorBefore: errorBefore!, errorAfter: errorAfter! };
    });
    const exits = description.exits!.map((exit, i) => ({
      ...exit,
      temperature: calibration[i + 1]!.temperature,
    }));
    const { temperature } = calibration[0]!;
    return { plain: { description: { ...description, temperature, exits }, parameters }, calibration };
  } finally {
    network.dispose();
  }
}

/**
 * Trains exits of a network, and makes their confidence fit validation data. Frozen, each head is trained alone on
 * features that are computed once; else the network and all heads learn together. What training leaves is in folders of
 * `out`; a run that was stopped there goes on.
 *
 * @param teacher null: the network itself, where `options.lesson` asks for one
 * @param out an existing folder
 * @returns null when the signal stopped it
 * @throws ThumbnetError when there is no such cut or head, exits are out of order, or as `train`
 */
export async function trainExits(
  plain: PlainNetwork,
  teacher: PlainNetwork | null,
  data: TrainingSet,
  out: string,
  options: ExitTrainOptions,
  hooks: ExitTrainHooks = {},
): Promise<TrainedExits | null> {
  checkFit(plain.description, data);
  if (teacher !== null) checkFit(teacher.description, data);
  if (options.exits.length === 0)
    throw new ThumbnetError(`${plain.description.name}: no exits are asked for`);
  if (options.lesson === null && data.train.labels.includes(UNLABELLED)) {
    throw new ThumbnetError(`${data.name}: has examples without a class, which only a teacher can answer`);
  }
  const network = new Network(plain.description, plain.parameters, "whole/");
  const other = teacher && new Network(teacher.description, teacher.parameters, "teacher/");
  try {
    const { batches } = hooks;
    const prepared = new PreparedStore();
    const source: CutSource = { plain, network, teacher: other, data, prepared, ...(batches && { batches }) };
    const trained = await new ExitTraining(source, out, options, hooks).run();
    return trained && calibrate(trained, data);
  } finally {
    network.dispose();
    other?.dispose();
  }
}
