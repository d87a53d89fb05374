/** The options that commands that train have in common. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { BackendName } from "../train/backend.ts";
import type { TrainOptions } from "../train/loop.ts";
import type { Schedule } from "../train/schedule.ts";
import { parseNumber, parseWhole } from "./common.ts";

/** What a training set is, in the help of commands that take one. */
export const TRAINING_SET_HELP = `
A training set is one of
- a folder with logmel_train.npy, logmel_val.npy, logmel_test.npy (uint8 [N,49,40] log-mel pictures of Speech
  Commands) and labels_train.npy, labels_val.npy, labels_test.npy;
- a folder of folders of 16 kHz .wav files, one a class; Speech Commands as unpacked becomes MLPerf Tiny's 12 classes;
- a folder of folders of pictures, one a class, or of train, validation and test, each with such folders;
- what thumbnet fetch gets: cifar10, mnist, speech-commands.`.trim();

/** The values of the options that `addTrainingOptions` adds. */
export interface TrainingValues {
  readonly epochs: number;
  readonly batch: number;
  readonly seed: number;
  readonly lr: number;
  readonly steps?: Schedule;
  readonly warmup: number;
  readonly labelSmoothing: number;
  readonly weightDecay: number;
  readonly average: number;
  readonly patience: number;
  readonly augmentation: number;
  readonly mix: number;
  readonly variants: number;
  readonly backend?: BackendName;
  readonly teacher?: string;
  readonly temperature: number;
  readonly teacherShare: number;
}

/** `0:1e-3,20:5e-4`: from epoch 0 a rate of 1e-3, from epoch 20 of 5e-4. */
function parseSteps(text: string): Schedule {
  const steps = text.split(",").map((part): [number, number] => {
    const [epoch, rate] = part.split(":").map(Number);
    if (!Number.isInteger(epoch) || !(rate! > 0)) {
      throw new InvalidArgumentError(`"${part}" is not epoch:rate.`);
    }
    return [epoch!, rate!];
  });
  if (steps[0]![0] !== 0 || steps.some(([epoch], i) => i > 0 && epoch <= steps[i - 1]![0])) {
    throw new InvalidArgumentError("Epochs must rise, from 0.");
  }
  return { kind: "step", steps };
}

export function trainOptions(options: TrainingValues): TrainOptions {
  const { lr, steps, warmup } = options;
  return {
    epochs: options.epochs,
    batch: options.batch,
    seed: options.seed,
    schedule: steps ?? { kind: "cosine", rate: lr, warmup },
    labelSmoothing: options.labelSmoothing,
    weightDecay: options.weightDecay,
    average: options.average,
    patience: options.patience,
    augmentation: options.augmentation,
    mix: options.mix,
    variants: options.variants,
  };
}

/** @param defaults where they differ from those of `thumbnet train` */
export function addTrainingOptions(
  command: Command,
  defaults: { epochs?: number; lr?: number } = {},
): Command {
  return command
    .option("--epochs <n>", "passes over the training examples", parseWhole(1), defaults.epochs ?? 50)
    .option("--batch <n>", "examples in a step", parseWhole(1), 100)
    .option("--seed <n>", "of all that is random", parseWhole(0), 1)
    .option(
      "--lr <rate>",
      "highest learning rate, which falls to 0 along a cosine",
      parseNumber(1e-7, 1),
      defaults.lr ?? 0.003,
    )
    .option("--steps <epoch:rate,...>", "learning rate in steps, in place of --lr", parseSteps)
    .option("--warmup <epochs>", "in which the rate rises", parseNumber(0, 100), 1)
    .option(
      "--label-smoothing <share>",
      "of the labels' probability, spread over all classes",
      parseNumber(0, 0.5),
      0.05,
    )
    .option("--weight-decay <factor>", "of the weights, added to their gradient", parseNumber(0, 1), 0)
    .option(
      "--average <decay>",
      "of the average of weights, which is what is kept; 0: none",
      parseNumber(0, 0.99999),
      0.999,
    )
    .option(
      "--patience <epochs>",
      "stop after so many without a better validation; 0: never",
      parseWhole(0),
      0,
    )
    .option(
      "--augmentation <strength>",
      "of random variants; narrow networks learn better with less, 0: none",
      parseNumber(0, 1.4),
      1,
    )
    .option(
      "--mix <share>",
      "of the examples, each mixed with another one; few pictures teach more that way, with a teacher above all",
      parseNumber(0, 1),
      0,
    )
    .option(
      "--variants <n>",
      "of each example, which epochs take in turn: a teacher and a frozen part see each once; 0: new ones in every epoch",
      parseWhole(0),
      0,
    )
    .addOption(
      new Option("--backend <name>", "of TensorFlow.js; default: the fastest that is installed").choices([
        "node",
        "wasm",
        "cpu",
      ]),
    )
    .option(
      "--teacher <file>",
      "a float network, best.ckpt or .tflite, whose answers are learnt beside the labels",
    )
    .option("--temperature <t>", "that softens the answers of both", parseNumber(0.1, 100), 2)
    .option("--teacher-share <share>", "of the loss; the rest are the labels", parseNumber(0, 1), 0.7);
}
