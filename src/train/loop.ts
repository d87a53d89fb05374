/** Training: epochs, checkpoints, resume, early stop. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { about, isFile } from "../data/files.ts";
import type { TrainingSet } from "../data/training-set.ts";
import { ThumbnetError } from "../errors.ts";
import { elementCount, formatShape, sameShape } from "../graph/shape.ts";
import { Adam } from "./adam.ts";
import { memory, WeightAverage } from "./average.ts";
import { type Batch, batchCount, type EpochOptions, epochBatches } from "./batches.ts";
import { writeNetwork } from "./checkpoint.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import { classCount, type NetworkDescription } from "./network/description.ts";
import type { Parameters } from "./network/parameters.ts";
import type { Network } from "./network.ts";
import { learningRate, type Schedule } from "./schedule.ts";
import { type RunState, readState, writeState } from "./state.ts";
import { classification, type Objective, trainStep } from "./step.ts";

export interface TrainOptions {
  readonly epochs: number;
  readonly batch: number;
  readonly seed: number;
  readonly schedule: Schedule;
  readonly labelSmoothing: number;
  readonly weightDecay: number;
  /** Decay of the average of weights, which is what is validated and kept; 0: none. */
  readonly average: number;
  /** Stop after so many epochs without a better validation; 0: never. */
  readonly patience: number;
  /** Strength of the examples' random variation; 0: none. */
  readonly augmentation: number;
  /** Share of the examples that are mixed with another one, targets likewise; 0: none. */
  readonly mix: number;
  /**
   * Epochs take so many variants of the examples in turn, so that what a teacher or a frozen part makes of them is
   * computed so often and no more; 0: new ones in every epoch.
   */
  readonly variants: number;
}

export interface StepReport {
  /** From 0. */
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Estimated, to the end of the run. */
  readonly secondsLeft: number;
}

/** One line of the log. */
export interface EpochReport {
  /** From 1: epochs done. */
  readonly epoch: number;
  readonly learningRate: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  readonly bestAccuracy: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** What parameters must be like: those that a mask leaves out zero, for example. */
export interface Constraint {
  /** Called before the first step, and before the first one of a run that goes on. */
  start(network: Network): void;
  /** Called after every step. @param steps taken since the run began */
  afterStep(network: Network, steps: number): void;
  /** Makes other parameters so, in place: the average of weights. */
  apply(parameters: Parameters): void;
  /** Networks are kept as the best from that many epochs on. */
  readonly bestFrom: number;
}

export interface TrainHooks {
  /** What the hooks change, as plain data: a run goes on only with the same. */
  readonly identity?: Readonly<Record<string, unknown>>;
  /** Default: cross-entropy with the labels. */
  readonly objective?: Objective;
  readonly constraint?: Constraint;
  /** The class of each validation example; default: their labels. */
  readonly validationLabels?: Uint16Array;
  /** How good the network is on the validation examples; default: by its logits and `validationLabels`. */
  readonly validate?: (network: Network) => Evaluation;
  /** What the learning rate of each parameter is multiplied by; default: 1. */
  readonly rateFactor?: (parameter: string) => number;
  /** The batches of an epoch; default: `epochBatches`, made between the steps. */
  readonly batches?: (options: EpochOptions) => AsyncIterable<Batch> | Iterable<Batch>;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
  /** Aborted: the run stops after the step at hand. It can be resumed from its last whole epoch. */
  readonly signal?: AbortSignal;
}

export interface TrainResult {
  /** Whole epochs done. */
  readonly epochs: number;
  readonly bestEpoch: number;
  readonly bestAccuracy: number;
  /** False: stopped by the signal. */
  readonly finished: boolean;
}

/** Of the running statistics of batch normalisation: what Keras takes. */
const STATISTICS_MOMENTUM = 0.99;

export const STATE_FILE = "last.ckpt";
export const BEST_FILE = "best.ckpt";
export const LOG_FILE = "log.jsonl";

/** @throws ThumbnetError when a network has another input, or another number of classes, than a data set */
export function checkFit(description: NetworkDescription, data: TrainingSet): void {
  const { name, inputShape } = description;
  if (!sameShape(inputShape, data.inputShape)) {
    const found = `takes ${formatShape(inputShape)}, the data set ${data.name} has ${formatShape(data.inputShape)}`;
    throw new ThumbnetError(`${name}: ${found}`);
  }
  const classes = classCount(description);
  if (classes !== data.classes.length) {
    throw new ThumbnetError(
      `${name}: has ${classes} classes, the data set ${data.name} ${data.classes.length}`,
    );
  }
}

function checkCounts(data: TrainingSet, { batch }: TrainOptions): void {
  if (data.train.count < batch || data.validation.count === 0) {
    const found = `has ${data.train.count} training and ${data.validation.count} validation examples`;
    throw new ThumbnetError(`${data.name}: ${found}; a batch takes ${batch}`);
  }
}

/**
 * Trains a network, which ends with the parameters of the best validation. After every epoch the folder holds all
 * that is needed to go on (`last.ckpt`), the best network so far (`best.ckpt`) and a line in `log.jsonl`. Where the
 * folder holds a run that was stopped, it goes on from there, and ends as if it had never been stopped.
 *
 * @param out an existing folder
 * @throws ThumbnetError when network, data and options do not fit, the folder holds another run, the loss is not
 *   finite, or a file cannot be written; checkpoints that were written stay
 */
export async function train(
  network: Network,
  data: TrainingSet,
  out: string,
  options: TrainOptions,
  hooks: TrainHooks = {},
): Promise<TrainResult> {
  checkFit(network.description, data);
  checkCounts(data, options);
  if (network.description.exits?.length && hooks.validate === undefined) {
    throw new ThumbnetError(
      `${network.description.name}: has early exits; thumbnet exits train trains those`,
    );
  }
  const run = new Run(network, data, out, options, hooks);
  try {
    return await run.toTheEnd();
  } finally {
    run.dispose();
  }
}

class Run {
  readonly #network: Network;
  readonly #data: TrainingSet;
  readonly #out: string;
  readonly #options: TrainOptions;
  readonly #hooks: TrainHooks;
  readonly #optimizer = new Adam(0);
  readonly #average: WeightAverage | null;
  readonly #steps: number;
  #epoch = 0;
  #best = { epoch: 0, accuracy: 0, loss: Number.POSITIVE_INFINITY };
  #stepsDone = 0;
  #started = performance.now();

  constructor(network: Network, data: TrainingSet, out: string, options: TrainOptions, hooks: TrainHooks) {
    this.#network = network;
    this.#data = data;
    this.#out = out;
    this.#options = options;
    this.#hooks = hooks;
    this.#average = options.average > 0 ? new WeightAverage(network, options.average) : null;
    this.#steps = batchCount(data.train, options.batch);
  }

  async toTheEnd(): Promise<TrainResult> {
    await this.#resume();
    this.#hooks.constraint?.start(this.#network);
    this.#started = performance.now();
    const { epochs, patience } = this.#options;
    let finished = true;
    while (this.#epoch < epochs) {
      if (patience > 0 && this.#epoch - Math.max(this.#best.epoch, this.#bestFrom) >= patience) break;
      finished = await this.#runEpoch();
      if (!finished) break;
    }
    return { epochs: this.#epoch, bestEpoch: this.#best.epoch, bestAccuracy: this.#best.accuracy, finished };
  }

  dispose(): void {
    this.#optimizer.dispose();
  }

  get #bestFrom(): number {
    return this.#hooks.constraint?.bestFrom ?? 0;
  }

  async #runEpoch(): Promise<boolean> {
    const { batch, seed, epochs, schedule, augmentation, mix, variants } = this.#options;
    const { train, inputShape } = this.#data;
    const start = performance.now();
    const elements = elementCount(inputShape);
    const objective = this.#hooks.objective ?? classification;
    let [step, total, rate] = [0, 0, 0];
    const variant = variants > 0 ? this.#epoch % variants : this.#epoch;
    const epoch = { batch, seed, epoch: variant, augmentation, mix };
    for await (const examples of this.#hooks.batches?.(epoch) ?? epochBatches(train, elements, epoch)) {
      // Lets the process see signals and finish writing.
      await setImmediate();
      if (this.#hooks.signal?.aborted) return false;
      rate = learningRate(schedule, this.#epoch + step / this.#steps, epochs);
      const loss = trainStep(this.#network, this.#optimizer, examples, objective, {
        ...this.#options,
        learningRate: rate,
        statisticsMomentum: memory(STATISTICS_MOMENTUM, this.#epoch * this.#steps + step),
        seed: seed + (this.#epoch * this.#steps + step) * 1000,
        ...(this.#hooks.rateFactor && { rateFactor: this.#hooks.rateFactor }),
      });
      if (!Number.isFinite(loss)) {
        const where = `epoch ${this.#epoch + 1}, step ${step + 1} of ${this.#steps}, learning rate ${rate}`;
        const kept = `epochs kept in ${this.#out}: ${this.#epoch}`;
        throw new ThumbnetError(
          `the loss is ${loss} (${where}): train with a lower rate into another folder; ${kept}`,
        );
      }
      this.#hooks.constraint?.afterStep(this.#network, this.#epoch * this.#steps + step + 1);
      this.#average?.update(this.#network);
      total += loss;
      step++;
      this.#stepsDone++;
      this.#hooks.onStep?.({
        epoch: this.#epoch,
        step,
        steps: this.#steps,
        loss,
        secondsLeft: this.#secondsLeft(step),
      });
    }
    this.#epoch++;
    await this.#finishEpoch(total / step, rate, (performance.now() - start) / 1000);
    return true;
  }

  #secondsLeft(step: number): number {
    const all = (this.#options.epochs - this.#epoch) * this.#steps - step;
    return ((performance.now() - this.#started) / 1000 / this.#stepsDone) * all;
  }

  /** Validates, and writes what the epoch leaves. */
  async #finishEpoch(loss: number, rate: number, seconds: number): Promise<void> {
    const { batch } = this.#options;
    const own = this.#network.parameters();
    const candidate = this.#average?.parameters() ?? own;
    this.#hooks.constraint?.apply(candidate);
    if (this.#average) this.#network.assign(candidate);
    const { accuracy, loss: validationLoss } =
      this.#hooks.validate?.(this.#network) ??
      evaluate(this.#network, this.#data.validation, this.#hooks.validationLabels);
    if (this.#average) this.#network.assign(own);
    const best = this.#best;
    const isBetter = accuracy > best.accuracy || (accuracy === best.accuracy && validationLoss < best.loss);
    if (isBetter && this.#epoch >= this.#bestFrom) {
      this.#best = { epoch: this.#epoch, accuracy, loss: validationLoss };
      await writeNetwork(join(this.#out, BEST_FILE), {
        description: this.#network.description,
        parameters: candidate,
        classes: this.#data.classes,
        origin: {
          data: this.#data.name,
          options: this.#options,
          ...this.#hooks.identity,
          epoch: this.#epoch,
          accuracy,
        },
      });
    }
    await writeState(join(this.#out, STATE_FILE), this.#state());
    const report: EpochReport = {
      epoch: this.#epoch,
      learningRate: rate,
      loss,
      validationLoss,
      validationAccuracy: accuracy,
      bestAccuracy: this.#best.accuracy,
      seconds,
      imagesPerSecond: (this.#steps * batch) / seconds,
    };
    const log = join(this.#out, LOG_FILE);
    await about(log, appendFile(log, `${JSON.stringify(report)}\n`));
    this.#hooks.onEpoch?.(report);
  }

  /** What another run must share to be gone on with. */
  #identity(): RunState["identity"] {
    return {
      network: this.#network.description,
      trains: this.#network.trainable().map(({ name }) => this.#network.parameterName(name)),
      data: this.#data.name,
      options: this.#options,
      ...this.#hooks.identity,
    };
  }

  #state(): RunState {
    const { step, moments } = this.#optimizer.state();
    const named = Object.entries(moments).map(
      ([name, values]) => [this.#network.parameterName(name), values] as const,
    );
    return {
      identity: this.#identity(),
      epoch: this.#epoch,
      best: this.#best,
      network: this.#network.parameters(),
      average: this.#average && { steps: this.#average.steps, parameters: this.#average.parameters() },
      optimizer: { step, moments: Object.fromEntries(named) },
    };
  }

  async #resume(): Promise<void> {
    const path = join(this.#out, STATE_FILE);
    if (!(await isFile(path))) return;
    const state = await readState(path, this.#identity());
    this.#epoch = state.epoch;
    this.#best = state.best;
    this.#network.assign(state.network);
    if (state.average) this.#average?.restore(state.average.steps, state.average.parameters);
    const moments = Object.entries(state.optimizer.moments).map(
      ([name, values]) => [this.#network.variable(name).name, values] as const,
    );
    this.#optimizer.restore({ step: state.optimizer.step, moments: Object.fromEntries(moments) });
  }
}
