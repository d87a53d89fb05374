/** Runs of commands that train: what they start from, batches from another thread, and what is shown meanwhile. */
import { openTrainingSet } from "../data/open-set.ts";
import type { TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { formatDuration } from "../report/progress.ts";
import { formatCount } from "../report/table.ts";
import { type TrainingBackend, trainingBackend } from "../train/backend.ts";
import { BackgroundBatches, type BatchJob } from "../train/background.ts";
import type { EpochReport, StepReport, TrainHooks, TrainResult } from "../train/loop.ts";
import type { Network } from "../train/network.ts";
import { note, percent } from "./common.ts";
import { type TrainingValues, trainOptions } from "./training-options.ts";

/** Starts the backend that the options ask for, and tells why a better one was passed over. */
export async function startBackend({ backend }: Pick<TrainingValues, "backend">): Promise<TrainingBackend> {
  const started = await trainingBackend(backend);
  if (started.warning !== undefined) note(started.warning);
  return started;
}

export interface TrainingData {
  readonly data: TrainingSet;
  /** What `data` was opened from. */
  readonly job: BatchJob;
}

export async function openTrainingData(job: BatchJob): Promise<TrainingData> {
  return { data: await openTrainingSet(job.path, job.pictureShape, job.withUnlabelled), job };
}

/** `kws: 480 training, 60 validation examples; wasm` */
export function describeData({ name, train, validation }: TrainingSet, backend: string): string {
  const counts = `${formatCount(train.count)} training, ${formatCount(validation.count)} validation examples`;
  return `${name}: ${counts}; ${backend}`;
}

/**
 * @param classes of the network in a file; none: it does not name them
 * @throws ThumbnetError where they are not those of the data set, in their order
 */
export function checkClasses(path: string, classes: readonly string[], { data, job }: TrainingData): void {
  if (classes.length === 0 || classes.join() === data.classes.join()) return;
  const found = `knows ${classes.join(", ")}; ${job.path} has ${data.classes.join(", ")}`;
  throw new ThumbnetError(`${path}: ${found}: the classes must be the same`);
}

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
function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => {
    note("\nstopping after this step; again to stop at once");
    controller.abort();
  });
  return controller.signal;
}

/** Runs what trains, with batches that are made on another thread and a signal that Ctrl-C gives. */
export async function withBackground<T>(
  job: BatchJob,
  run: (hooks: Required<Pick<TrainHooks, "batches" | "signal">>) => Promise<T>,
): Promise<T> {
  const background = await BackgroundBatches.start(job);
  try {
    return await run({ batches: (epoch) => background.epoch(epoch), signal: interruption() });
  } finally {
    await background.stop();
  }
}

/** Tells that Ctrl-C stopped a run, also by the exit code. @param when in the message */
export function reportStopped(when = ""): void {
  note(`stopped${when}; the same command goes on from there`);
  process.exitCode = 1;
}

async function openTeacher(path: string, training: TrainingData): Promise<Network> {
  const [{ Network }, { openNetwork }] = await Promise.all([
    import("../train/network.ts"),
    import("../train/open-network.ts"),
  ]);
  const { description, parameters, classes } = await openNetwork(path);
  checkClasses(path, classes, training);
  return new Network(description, parameters, "teacher/");
}

/**
 * Trains as the options say, and shows how far it is. A network with a teacher learns from it.
 *
 * @param out an existing folder
 * @returns null when Ctrl-C stopped it; then the exit code is set and the user told
 */
export async function runTraining(
  network: Network,
  training: TrainingData,
  out: string,
  options: TrainingValues,
  hooks: TrainHooks = {},
): Promise<TrainResult | null> {
  const [{ train }, { distillationHooks }] = await Promise.all([
    import("../train/loop.ts"),
    import("../train/distill.ts"),
  ]);
  const { data, job } = training;
  const settings = trainOptions(options);
  const { teacher, temperature, teacherShare: share } = options;
  const lesson = teacher
    ? distillationHooks(
        await openTeacher(teacher, training),
        network,
        data.validation,
        { temperature, share },
        settings.variants > 0,
      )
    : {};
  const result = await withBackground(job, (background) =>
    train(network, data, out, settings, {
      ...lesson,
      ...hooks,
      ...background,
      identity: { ...lesson.identity, ...hooks.identity },
      onStep: (report) => showStep(report, settings.epochs),
      onEpoch: (report) => showEpoch(report, settings.epochs),
    }),
  );
  if (result.finished) return result;
  reportStopped(` after ${result.epochs} whole epochs`);
  return null;
}
