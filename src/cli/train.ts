import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { readWhole, writeWhole } from "../data/files.ts";
import { openTrainingSet } from "../data/open-set.ts";
import { ThumbnetError } from "../errors.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { formatDuration } from "../report/progress.ts";
import { formatCount } from "../report/table.ts";
import { writeTflite } from "../tflite/write.ts";
import type { BackendName } from "../train/backend.ts";
import { trainingBackend } from "../train/backend.ts";
import { BackgroundBatches } from "../train/background.ts";
import type { EpochReport, StepReport, TrainOptions } from "../train/loop.ts";
import { type NetworkDescription, networkCost } from "../train/network/description.ts";
import { NETWORKS, namedNetwork } from "../train/network/factories.ts";
import { initialParameters } from "../train/network/parameters.ts";
import { parseDescription } from "../train/network/parse.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import type { Network } from "../train/network.ts";
import type { Schedule } from "../train/schedule.ts";
import { jsonOption, note, parseNumber, parseWhole, print, printJson, TRAINING_SET_HELP } from "./common.ts";

interface TrainCommandOptions {
  readonly data: string;
  readonly out: string;
  readonly width?: number;
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
  readonly teacher?: string;
  readonly temperature: number;
  readonly teacherShare: number;
  readonly augmentation: number;
  readonly test?: boolean;
  readonly backend?: BackendName;
  readonly json?: boolean;
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

function trainOptions(options: TrainCommandOptions): TrainOptions {
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

/** The network of the best validation for other tools: batch normalisation folded in, with a softmax. */
const FLOAT_FILE = "float.tflite";

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

/** A line that is written over, on standard error; silent where that is no terminal. */
function showStep({ epoch, step, steps, loss, secondsLeft }: StepReport, epochs: number): void {
  if (!process.stderr.isTTY) return;
  const left = formatDuration(secondsLeft);
  process.stderr.write(
    `\r\x1b[Kepoch ${epoch + 1}/${epochs}, step ${step}/${steps}, loss ${loss.toFixed(3)}, ${left} left`,
  );
}

function showEpoch(report: EpochReport, epochs: number): void {
  const { epoch, loss, validationAccuracy, bestAccuracy, imagesPerSecond, seconds } = report;
  const clear = process.stderr.isTTY ? "\r\x1b[K" : "";
  const left = formatDuration(seconds * (epochs - epoch));
  note(
    `${clear}epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}, validation ${percent(validationAccuracy)} ` +
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

/** A network by name, or from a file. */
async function describe(
  name: string,
  width: number | undefined,
  classes: number,
): Promise<NetworkDescription> {
  if (!name.endsWith(".json")) return namedNetwork(name, width, classes);
  if (width !== undefined)
    throw new ThumbnetError(`${name}: says all widths itself, --width cannot change them`);
  return parseDescription(new TextDecoder().decode(await readWhole(name)), name);
}

async function openTeacher(path: string): Promise<Network> {
  const [{ Network }, { openNetwork }] = await Promise.all([
    import("../train/network.ts"),
    import("../train/open-network.ts"),
  ]);
  const { description, parameters } = await openNetwork(path);
  return new Network(description, parameters, "teacher/");
}

async function trainNetwork(name: string, options: TrainCommandOptions): Promise<void> {
  const { tf, name: backend } = await trainingBackend(options.backend);
  const pictureShape = (await describe(name, options.width, 2)).inputShape;
  const withUnlabelled = options.teacher !== undefined;
  const data = await openTrainingSet(options.data, pictureShape, withUnlabelled);
  const description = await describe(name, options.width, data.classes.length);
  await mkdir(options.out, { recursive: true }).catch((error: Error) => {
    throw new ThumbnetError(`${options.out}: ${error.message}`);
  });
  const settings = trainOptions(options);
  const { macs, parameters } = networkCost(description);
  note(
    `${description.name}: ${formatCount(parameters)} parameters, ${formatCount(macs)} MACs; ${data.name}: ` +
      `${formatCount(data.train.count)} training, ${formatCount(data.validation.count)} validation examples; ${backend}`,
  );
  const [{ Network }, { train, BEST_FILE }, { evaluate }, { readNetwork }, { distillationHooks }] =
    await Promise.all([
      import("../train/network.ts"),
      import("../train/loop.ts"),
      import("../train/evaluate.ts"),
      import("../train/checkpoint.ts"),
      import("../train/distill.ts"),
    ]);
  const network = new Network(description, initialParameters(description, options.seed));
  const { teacher, temperature, teacherShare: share } = options;
  const lesson =
    teacher &&
    distillationHooks(await openTeacher(teacher), network, data.validation, { temperature, share });
  const background = await BackgroundBatches.start({ path: options.data, pictureShape, withUnlabelled });
  const result = await train(network, data, options.out, settings, {
    ...(lesson ?? {}),
    batches: (epoch) => background.epoch(epoch),
    signal: interruption(),
    onStep: (report) => showStep(report, settings.epochs),
    onEpoch: (report) => showEpoch(report, settings.epochs),
  }).finally(() => background.stop());
  if (!result.finished) {
    note(`stopped after ${result.epochs} whole epochs; the same command goes on from there`);
    process.exitCode = 1;
    return;
  }
  const best = await readNetwork(join(options.out, BEST_FILE));
  network.assign(best.parameters);
  const float = writeTflite(tfliteFromGraph(graphFromNetwork(description, best.parameters)));
  await writeWhole(join(options.out, FLOAT_FILE), float);
  const test = options.test ? evaluate(network, data.test) : null;
  if (options.json) {
    printJson({
      network: description.name,
      parameters,
      macs,
      data: data.name,
      backend,
      tensorflow: tf.version_core,
      options: settings,
      epochs: result.epochs,
      best_epoch: result.bestEpoch,
      validation_accuracy: result.bestAccuracy,
      test_accuracy: test?.accuracy ?? null,
    });
    return;
  }
  print(`validation accuracy ${percent(result.bestAccuracy)} after epoch ${result.bestEpoch}`);
  if (test) print(`test accuracy ${percent(test.accuracy)} (${formatCount(data.test.count)} examples)`);
  print(`${join(options.out, BEST_FILE)} and ${FLOAT_FILE}: thumbnet quantize makes an int8 model of either`);
}

export function trainCommand(): Command {
  return new Command("train")
    .description("Trains a float network on a data set.")
    .argument("<network>", `${Object.keys(NETWORKS).join(", ")}, or a .json file`)
    .requiredOption("--data <dir>", "training set")
    .requiredOption("--out <dir>", "folder for checkpoints and the log; a run that was stopped there goes on")
    .addOption(
      new Option("--width <n>", "filters, or alpha of mobilenetv1").argParser(parseNumber(0.01, 4096)),
    )
    .addOption(
      new Option("--epochs <n>", "passes over the training examples").default(50).argParser(parseWhole(1)),
    )
    .addOption(new Option("--batch <n>", "examples in a step").default(100).argParser(parseWhole(1)))
    .addOption(new Option("--seed <n>", "of all that is random").default(1).argParser(parseWhole(0)))
    .addOption(
      new Option("--lr <rate>", "highest learning rate, which falls to 0 along a cosine")
        .default(0.003)
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
    )
    .option("--test", "measure the accuracy on the test examples at the end")
    .addOption(
      new Option("--backend <name>", "of TensorFlow.js; default: the fastest that is installed").choices([
        "node",
        "wasm",
        "cpu",
      ]),
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
${TRAINING_SET_HELP}

A network is one of those named, or a JSON file: { "name", "inputShape": [height, width, channels], "layers": [{
"kind", "name", ... }] }, the layers in order, each reading the one before it or the one that "input" names:
  conv, depthwise    "kernel": [3, 3], "stride": [1, 1], "padding": "SAME" or "VALID", "bias"; conv also "filters"
  pointwise, dense   "filters" and "units", "bias"
  batchNorm, relu ("limit": 6), dropout ("rate"), globalAveragePool, averagePool ("kernel", "stride", "padding")
  add                "other": the layer that is added

The folder --out gets best.ckpt, the network of the best validation; float.tflite, the same for other tools;
last.ckpt, all that is needed to go on; and log.jsonl, a line of JSON for each epoch. Ctrl-C stops after the step at hand; the same command goes on from the last
whole epoch and ends with the same network as a run that was never stopped.`,
    )
    .action(trainNetwork);
}
