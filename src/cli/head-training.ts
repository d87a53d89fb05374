/** What the commands share that train heads on cuts of a network: `prune depth` and `exits train`. */
import { basename } from "node:path";
import type { Command } from "commander";
import type { Cut } from "../prune/depth/cuts.ts";
import { headFor } from "../prune/depth/heads.ts";
import type { CutOptions } from "../prune/depth/train-cut.ts";
import type { CalibrationOptions } from "../quantize/from-set.ts";
import type { QuantizeOptions } from "../quantize/quantize.ts";
import type { TrainedNetwork } from "../train/checkpoint.ts";
import type { DistillOptions } from "../train/distill.ts";
import { jsonOption, parseNumber, parseWhole } from "./common.ts";
import { addQuantizeOptions, type QuantizeValues, quantizeOptions } from "./quantize.ts";
import { checkClasses, describeData, openTrainingData, startBackend, type TrainingData } from "./training.ts";
import {
  addTrainingOptions,
  TRAINING_SET_HELP,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

export interface HeadValues extends TrainingValues, QuantizeValues {
  readonly data: string;
  readonly out: string;
  readonly distill?: boolean;
  readonly dropout: number;
  readonly featureCache: number;
  readonly json?: boolean;
}

/** Of the choice of calibration examples: the same for all runs, so that only networks differ. */
const CALIBRATION_SEED = 1;

/** Adds training, distillation, quantisation, and what heads have of their own. */
export function addHeadOptions(command: Command, defaults: { epochs: number }): Command {
  command.option("--distill", "learn what the whole network answers, also for examples without a class");
  return addQuantizeOptions(addTrainingOptions(command, defaults))
    .option("--dropout <share>", "of the features before the last layer of a head", parseNumber(0, 0.9), 0)
    .option(
      "--feature-cache <MiB>",
      "memory for the features of a frozen network, kept where examples do not vary, or with --variants",
      parseWhole(0),
      1500,
    )
    .addOption(jsonOption())
    .addHelpText("after", `\n${TRAINING_SET_HELP}`);
}

type HeadOptions = Pick<CutOptions, "dropout" | "train" | "cacheBytes"> & {
  readonly lesson: DistillOptions | null;
};

export function headOptions(options: HeadValues): HeadOptions {
  const { temperature, teacherShare: share } = options;
  const isTaught = options.distill || options.teacher !== undefined;
  return {
    dropout: options.dropout,
    lesson: isTaught ? { temperature, share } : null,
    train: trainOptions(options),
    cacheBytes: 2 ** 20 * options.featureCache,
  };
}

/** How the int8 networks are made. */
export function headQuantization(
  options: HeadValues,
): CalibrationOptions & { readonly quantize: QuantizeOptions } {
  return { quantize: quantizeOptions(options), calibration: options.calibration, seed: CALIBRATION_SEED };
}

/** @throws ThumbnetError where a head is none, or does not fit a cut */
export function checkHead(head: string, { shape }: Cut): void {
  // Any number of classes: it decides about no head.
  headFor(head, 2, shape);
}

export type OpenedNetwork = Omit<TrainedNetwork, "origin">;

export interface HeadTraining {
  readonly network: OpenedNetwork;
  /** Null: the network itself, where one is wanted. */
  readonly teacher: OpenedNetwork | null;
  readonly training: TrainingData;
  /** Network, data and backend in words. */
  readonly summary: string;
}

/**
 * Starts the backend, and opens network, teacher and data, which must have the same classes.
 *
 * @param check called before the data is opened, which takes long
 */
export async function openHeadTraining(
  model: string,
  options: HeadValues,
  check: (network: OpenedNetwork) => Promise<void> | void,
): Promise<HeadTraining> {
  const { name: backend } = await startBackend(options);
  const { openNetwork } = await import("../train/open-network.ts");
  const network = await openNetwork(model);
  await check(network);
  const teacher = options.teacher === undefined ? null : await openNetwork(options.teacher);
  const withUnlabelled = headOptions(options).lesson !== null;
  const { inputShape: pictureShape } = network.description;
  const training = await openTrainingData({ path: options.data, pictureShape, withUnlabelled });
  checkClasses(model, network.classes, training);
  if (teacher !== null) checkClasses(options.teacher!, teacher.classes, training);
  return {
    network,
    teacher,
    training,
    summary: `${basename(model)}; ${describeData(training.data, backend)}`,
  };
}
