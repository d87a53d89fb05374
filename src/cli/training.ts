/** A training run of a command: with a teacher, on another thread's batches, shown while it goes on. */
import { mkdir } from "node:fs/promises";
import type { TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { type BackendName, type TrainingBackend, trainingBackend } from "../train/backend.ts";
import { BackgroundBatches, type BatchJob } from "../train/background.ts";
import type { TrainHooks, TrainResult } from "../train/loop.ts";
import type { Network } from "../train/network.ts";
import { note } from "./common.ts";
import {
  interruption,
  showEpoch,
  showStep,
  type TeacherValues,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

/** `trainingBackend`, with what it has to say said. */
export async function startBackend(wanted?: BackendName): Promise<TrainingBackend> {
  const backend = await trainingBackend(wanted);
  if (backend.warning !== undefined) note(backend.warning);
  return backend;
}

/** The network of the best validation for other tools: batch normalisation folded in, with a softmax. */
export const FLOAT_FILE = "float.tflite";

async function openTeacher(path: string): Promise<Network> {
  const [{ Network }, { openNetwork }] = await Promise.all([
    import("../train/network.ts"),
    import("../train/open-network.ts"),
  ]);
  const { description, parameters } = await openNetwork(path);
  return new Network(description, parameters, "teacher/");
}

export interface Training {
  readonly data: TrainingSet;
  /** What `data` was opened from. */
  readonly job: BatchJob;
  /** An existing folder. */
  readonly out: string;
}

/**
 * Trains as the options say, with batches made on another thread, and shows how far it is. A network with a teacher
 * learns from it.
 *
 * @returns null when Ctrl-C stopped it; then the exit code is set and the user told
 */
export async function runTraining(
  network: Network,
  { data, job, out }: Training,
  options: TrainingValues & TeacherValues,
  hooks: TrainHooks = {},
): Promise<TrainResult | null> {
  const [{ train }, { distillationHooks }] = await Promise.all([
    import("../train/loop.ts"),
    import("../train/distill.ts"),
  ]);
  const settings = trainOptions(options);
  const { teacher, temperature, teacherShare: share } = options;
  const lesson = teacher
    ? distillationHooks(await openTeacher(teacher), network, data.validation, { temperature, share })
    : {};
  const background = await BackgroundBatches.start(job);
  const result = await train(network, data, out, settings, {
    ...lesson,
    ...hooks,
    identity: { ...lesson.identity, ...hooks.identity },
    batches: (epoch) => background.epoch(epoch),
    signal: interruption(),
    onStep: (report) => showStep(report, settings.epochs),
    onEpoch: (report) => showEpoch(report, settings.epochs),
  }).finally(() => background.stop());
  if (result.finished) return result;
  note(`stopped after ${result.epochs} whole epochs; the same command goes on from there`);
  process.exitCode = 1;
  return null;
}

/** Makes the folder of a run. @throws ThumbnetError where it cannot */
export async function makeRunFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: Error) => {
    throw new ThumbnetError(`${path}: ${error.message}`);
  });
}
