/** What commands that train have in common: options, and what they show meanwhile. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatDuration } from "../report/progress.ts";
import { formatCount } from "../report/table.ts";
import type { BackendName } from "../train/backend.ts";
import type { EpochReport, StepReport, TrainOptions } from "../train/loop.ts";
import type { Schedule } from "../train/schedule.ts";
import { note, parseNumber, parseWhole } from "./common.ts";

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
  readonly backend?: BackendName;
}

/** The values of the options that `addTeacherOptions` adds. */
export interface TeacherValues {
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
  const {
    epochs,
    batch,
    seed,
    lr,
    steps,
    warmup,
    labelSmoothing,
    weightDecay,
    average,
    patience,
    augmentation,
  } = options;
  const schedule: Schedule = steps ?? { kind: "cosine", rate: lr, warmup };
  return { epochs, batch, seed, schedule, labelSmoothing, weightDecay, average, patience, augmentation };
}

export const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

/** A line that is written over, on standard error; silent where that is no terminal. */
export function showStep(
  { epoch, step, steps, loss, secondsLeft }: StepReport,
  epochs: number,
  prefix = "",
): void {
  if (!process.stderr.isTTY) return;
  const left = formatDuration(secondsLeft);
  process.stderr.write(
    `\r\x1b[K${prefix}epoch ${epoch + 1}/${epochs}, step ${step}/${steps}, loss ${loss.toFixed(3)}, ${left} left`,
  );
}

export function showEpoch(report: EpochReport, epochs: number, prefix = ""): void {
  const { epoch, loss, validationAccuracy, bestAccuracy, imagesPerSecond, seconds } = report;
  const clear = process.stderr.isTTY ? "\r\x1b[K" : "";
  const left = formatDuration(seconds * (epochs - epoch));
  note(
    `${clear}${prefix}epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}, validation ${percent(validationAccuracy)} ` +
      `(best ${percent(bestAccuracy)}), ${formatCount(imagesPerSecond)} images/s, ${left} left`,
  );
}

/** Aborted by Ctrl-C; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => {
    note("\nstopping after this step; again to stop at once");
    controller.abort();
  });
  return controller.signal;
}

/** @param defaults where they differ from those of `thumbnet train` */
export function addTrainingOptions(
  command: Command,
  defaults: { epochs?: number; lr?: number } = {},
): Command {
  return command
    .addOption(
      new Option("--epochs <n>", "passes over the training examples")
        .default(defaults.epochs ?? 50)
        .argParser(parseWhole(1)),
    )
    .addOption(new Option("--batch <n>", "examples in a step").default(100).argParser(parseWhole(1)))
    .addOption(new Option("--seed <n>", "of all that is random").default(1).argParser(parseWhole(0)))
    .addOption(
      new Option("--lr <rate>", "highest learning rate, which falls to 0 along a cosine")
        .default(defaults.lr ?? 0.003)
        .argParser(parseNumber(1e-7, 1)),
    )
    .addOption(
      new Option("--steps <epoch:rate,...>", "learning rate in steps, in place of --lr").argParser(
        parseSteps,
      ),
    )
    .addOption(
      new Option("--warmup <epochs>", "in which the rate rises").default(1).argParser(parseNumber(0, 100)),
    )
    .addOption(
      new Option("--label-smoothing <share>", "of the labels' probability, spread over all classes")
        .default(0.05)
        .argParser(parseNumber(0, 0.5)),
    )
    .addOption(
      new Option("--weight-decay <factor>", "of the weights, added to their gradient")
        .default(0)
        .argParser(parseNumber(0, 1)),
    )
    .addOption(
      new Option("--average <decay>", "of the average of weights, which is what is kept; 0: none")
        .default(0.999)
        .argParser(parseNumber(0, 0.99999)),
    )
    .addOption(
      new Option("--patience <epochs>", "stop after so many without a better validation; 0: never")
        .default(0)
        .argParser(parseWhole(0)),
    )
    .addOption(
      new Option(
        "--augmentation <strength>",
        "of random variants; narrow networks learn better with less, 0: none",
      )
        .default(1)
        .argParser(parseNumber(0, 1.4)),
    )
    .addOption(
      new Option("--backend <name>", "of TensorFlow.js; default: the fastest that is installed").choices([
        "node",
        "wasm",
        "cpu",
      ]),
    );
}

export function addTeacherOptions(command: Command): Command {
  return command
    .option(
      "--teacher <file>",
      "a float network, best.ckpt or .tflite, whose answers are learnt beside the labels",
    )
    .addOption(
      new Option("--temperature <t>", "that softens the answers of both")
        .default(2)
        .argParser(parseNumber(0.1, 100)),
    )
    .addOption(
      new Option("--teacher-share <share>", "of the loss; the rest are the labels")
        .default(0.7)
        .argParser(parseNumber(0, 1)),
    );
}
