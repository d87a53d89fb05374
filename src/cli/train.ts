import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { readWhole, writeWhole } from "../data/files.ts";
import { openTrainingSet } from "../data/open-set.ts";
import { ThumbnetError } from "../errors.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { formatCount } from "../report/table.ts";
import { writeTflite } from "../tflite/write.ts";
import { trainingBackend } from "../train/backend.ts";
import { BackgroundBatches } from "../train/background.ts";
import { type NetworkDescription, networkCost } from "../train/network/description.ts";
import { NETWORKS, namedNetwork } from "../train/network/factories.ts";
import { initialParameters } from "../train/network/parameters.ts";
import { parseDescription } from "../train/network/parse.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import type { Network } from "../train/network.ts";
import { jsonOption, note, parseNumber, print, printJson, TRAINING_SET_HELP } from "./common.ts";
import {
  addTeacherOptions,
  addTrainingOptions,
  interruption,
  percent,
  showEpoch,
  showStep,
  type TeacherValues,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

interface TrainCommandOptions extends TrainingValues, TeacherValues {
  readonly data: string;
  readonly out: string;
  readonly width?: number;
  readonly test?: boolean;
  readonly json?: boolean;
}

/** The network of the best validation for other tools: batch normalisation folded in, with a softmax. */
const FLOAT_FILE = "float.tflite";

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
  const command = new Command("train")
    .description("Trains a float network on a data set.")
    .argument("<network>", `${Object.keys(NETWORKS).join(", ")}, or a .json file`)
    .requiredOption("--data <dir>", "training set")
    .requiredOption("--out <dir>", "folder for checkpoints and the log; a run that was stopped there goes on")
    .addOption(
      new Option("--width <n>", "filters, or alpha of mobilenetv1").argParser(parseNumber(0.01, 4096)),
    );
  return addTeacherOptions(addTrainingOptions(command))
    .option("--test", "measure the accuracy on the test examples at the end")
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
