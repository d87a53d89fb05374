/** Trains the head of one cut, and the tail with it where that is wanted. */
import { join } from "node:path";
import { makeFolder } from "../../data/files.ts";
import type { TrainingSet } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { elementCount } from "../../graph/shape.ts";
import { type EpochOptions, epochBatches, PerBatch } from "../../train/batches.ts";
import { readNetwork } from "../../train/checkpoint.ts";
import { completeLabels, type LessonOptions, lessonObjective } from "../../train/distill.ts";
import { BEST_FILE, type TrainHooks, type TrainOptions, type TrainResult, train } from "../../train/loop.ts";
import { parametersChecksum } from "../../train/network/parameters.ts";
import { Network } from "../../train/network.ts";
import { freshHead, joinNetworks, type PlainNetwork, tailOf } from "./cut-network.ts";
import type { Cut } from "./cuts.ts";
import { NO_VARIANT, type PreparedStore, Preparer } from "./features.ts";
import { HEAD_PREFIX } from "./heads.ts";

export interface CutOptions {
  /** Kind of head; see `headFor`. */
  readonly head: string;
  /** Share of the last features that dropout clears. */
  readonly dropout: number;
  /** Whether the tail stays as it is. */
  readonly frozen: boolean;
  /** Of a tail that learns: what its learning rate is multiplied by. */
  readonly tailRate: number;
  /** Null: from labels alone. */
  readonly lesson: LessonOptions | null;
  readonly train: TrainOptions;
  /** The most that features of a frozen tail may take in memory when they are kept for all epochs. */
  readonly cacheBytes: number;
}

/** What all cuts share. */
export interface CutSource extends Pick<TrainHooks, "batches"> {
  readonly plain: PlainNetwork;
  /** `plain`, for inference. */
  readonly network: Network;
  /** Another teacher than the network itself. */
  readonly teacher: Network | null;
  readonly data: TrainingSet;
  /** What heads and cuts share. */
  readonly prepared: PreparedStore;
}

export interface TrainedCut {
  readonly plain: PlainNetwork;
  readonly result: TrainResult;
}

/** What decides the result, apart from network, data and training options: plain data. */
export function cutIdentity(source: CutSource, cut: Cut, options: CutOptions): Record<string, unknown> {
  const { head, dropout, frozen, tailRate, lesson } = options;
  const teacher = source.teacher ?? source.network;
  const named = (network: Network) => ({
    name: network.description.name,
    checksum: parametersChecksum(network.parameters()),
  });
  return {
    from: { name: source.plain.description.name, checksum: parametersChecksum(source.plain.parameters) },
    cut: cut.name,
    head,
    dropout,
    frozen,
    tailRate: frozen ? null : tailRate,
    lesson: lesson && { ...named(teacher), ...lesson },
  };
}

/** The folder inside the cut's own that `train` works in. */
export const TRAINING_FOLDER = "training";

/** The data set that a head sees: features in place of inputs. Its test examples are never asked for. */
function featureSet(data: TrainingSet, cut: Cut, preparer: Preparer): TrainingSet {
  const validation = preparer.examples(data.validation, elementCount(data.inputShape), NO_VARIANT);
  const { name, classes, train } = data;
  const inputShape = cut.shape as readonly [number, number, number];
  return { name, classes, inputShape, train, validation, test: validation };
}

/**
 * Trains one cut: its head, on the features of a frozen tail, or the whole of the shortened network. What `train`
 * leaves is in `out`/training; a run that was stopped there goes on.
 *
 * @param out an existing folder
 * @throws ThumbnetError; see `train` and `headFor`
 */
export async function trainCut(
  source: CutSource,
  cut: Cut,
  out: string,
  options: CutOptions,
  hooks: Pick<TrainHooks, "signal" | "onStep" | "onEpoch"> = {},
): Promise<TrainedCut> {
  const { plain, network: whole, data } = source;
  const { frozen, lesson, head, dropout, tailRate, train: settings } = options;
  const folder = join(out, TRAINING_FOLDER);
  await makeFolder(folder);
  const classes = data.classes.length;
  const tail = tailOf(plain, cut);
  const fresh = freshHead(plain, cut, head, classes, settings.seed, { dropout });
  const joined = joinNetworks(tail, fresh);
  const student = frozen ? fresh : joined;
  const teacher = lesson && (source.teacher ?? whole);
  const elements = elementCount(data.inputShape);
  const inputBatches = source.batches ?? ((epoch: EpochOptions) => epochBatches(data.train, elements, epoch));
  const isStill = settings.augmentation === 0 && settings.mix === 0;
  const variants = isStill ? 1 : Math.min(settings.variants, settings.epochs);
  const bytes = 4 * data.train.count * elementCount(frozen ? cut.shape : data.inputShape) * variants;
  const fits = bytes <= options.cacheBytes;
  if (frozen && !isStill && !fits) {
    const needed = `${variants} variants of ${data.train.count} examples need ${Math.ceil(bytes / 2 ** 20)} MiB`;
    const found = `${Math.floor(options.cacheBytes / 2 ** 20)} MiB may be used`;
    throw new ThumbnetError(
      `${data.name}: features after ${cut.name}: ${needed}, ${found} (--feature-cache); fewer --variants need less`,
    );
  }
  // Inputs are as quickly made anew as kept; what is kept of them then are the teacher's answers.
  const isCached = variants > 0 && fits && (frozen || (isStill && teacher !== null));
  const { seed, augmentation, mix, batch } = settings;
  const after = frozen ? cut.layer : null;
  const same = { after, isTaught: teacher !== null, seed, augmentation, mix };
  const keepsLessons = !frozen && !isCached && settings.variants > 0;
  const lessons = keepsLessons ? source.prepared.lessons({ ...same, batch }) : new PerBatch<undefined>(false);
  const preparer = new Preparer({ whole, after, teacher, lessons });
  const prepared = isCached ? source.prepared.examples(same) : [];
  const cachedBatches = (epoch: EpochOptions) => {
    const variant = isStill ? 0 : epoch.epoch;
    prepared[variant] ??= preparer.examples(data.train, elements, epoch);
    return prepared[variant].batches(epoch);
  };
  const network = new Network(student.description, student.parameters, "student/");
  try {
    const result = await train(network, frozen ? featureSet(data, cut, preparer) : data, folder, settings, {
      ...hooks,
      identity: cutIdentity(source, cut, options),
      batches: isCached ? cachedBatches : (epoch) => preparer.batches(inputBatches(epoch)),
      ...(lesson && {
        objective: lessonObjective(lesson),
        validationLabels: completeLabels(teacher!, data.validation),
      }),
      ...(!frozen && { rateFactor: (parameter) => (parameter.startsWith(HEAD_PREFIX) ? 1 : tailRate) }),
    });
    if (!result.finished) return { plain: joined, result };
    const best = await readNetwork(join(folder, BEST_FILE));
    return { plain: frozen ? joinNetworks(tail, best) : best, result };
  } finally {
    network.dispose();
  }
}
