import { join } from "node:path";
import { Command } from "commander";
import { makeFolder, readText, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { formatCount } from "../report/table.ts";
import { writeTflite } from "../tflite/write.ts";
import { FLOAT_FILE } from "../train/exported-files.ts";
import { type NetworkDescription, networkCost } from "../train/network/description.ts";
import { NETWORKS, namedNetwork } from "../train/network/factories.ts";
import { parseDescription } from "../train/network/parse.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import { jsonOption, note, parseNumber, percent, print, printJson } from "./common.ts";
import { startingPoint } from "./starting-point.ts";
import { describeData, openTrainingData, runTraining, startBackend } from "./training.ts";
import {
  addTrainingOptions,
  TRAINING_SET_HELP,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

interface TrainCommandOptions extends TrainingValues {
  readonly data: string;
  readonly out: string;
  readonly width?: number;
  readonly init?: string;
  readonly quantizationAware?: boolean;
  readonly test?: boolean;
  readonly json?: boolean;
}

/** Whether the network to train is a file with parameters. */
const isTrained = (name: string) => /\.(ckpt|tflite)$/i.test(name);

/** A network by name, or from a file. */
async function describe(
  name: string,
  width: number | undefined,
  classes: number,
): Promise<NetworkDescription> {
  if (isTrained(name))
    return (await (await import("../train/open-network.ts")).openNetwork(name)).description;
  if (!name.endsWith(".json")) return namedNetwork(name, width, classes);
  if (width !== undefined)
    throw new ThumbnetError(`${name}: says all widths itself, --width cannot change them`);
  return parseDescription(await readText(name), name);
}

async function trainNetwork(name: string, options: TrainCommandOptions): Promise<void> {
  const { tf, name: backend } = await startBackend(options);
  const pictureShape = (await describe(name, options.width, 2)).inputShape;
  const withUnlabelled = options.teacher !== undefined;
  const training = await openTrainingData({ path: options.data, pictureShape, withUnlabelled });
  const { data } = training;
  const base = await describe(name, options.width, data.classes.length);
  await makeFolder(options.out);
  const { macs, parameters } = networkCost(base);
  note(
    `${base.name}: ${formatCount(parameters)} parameters, ${formatCount(macs)} MACs; ${describeData(data, backend)}`,
  );
  const [{ Network }, { BEST_FILE }, { evaluate }, { readNetwork }, { FakeQuantizer }] = await Promise.all([
    import("../train/network.ts"),
    import("../train/loop.ts"),
    import("../train/evaluate.ts"),
    import("../train/checkpoint.ts"),
    import("../train/quantization-aware.ts"),
  ]);
  const {
    description,
    parameters: initial,
    init,
    affines,
  } = await startingPoint(base, data, {
    seed: options.seed,
    from: options.init ?? (isTrained(name) ? name : null),
    quantizationAware: options.quantizationAware ?? false,
  });
  const network = new Network(description, initial);
  if (affines !== null) network.fakeQuantizer = new FakeQuantizer(description, affines);
  const identity = { ...(init && { init }), ...(affines && { quantizationAware: { affines } }) };
  const result = await runTraining(network, training, options.out, options, { identity });
  if (result === null) return;
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
      options: trainOptions(options),
      init,
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
    .argument("<network>", `${Object.keys(NETWORKS).join(", ")}, a .json file, or a trained network`)
    .requiredOption("--data <dir>", "training set")
    .requiredOption("--out <dir>", "folder for checkpoints and the log; a run that was stopped there goes on")
    .option("--width <n>", "filters, or alpha of mobilenetv1", parseNumber(0.01, 4096))
    .option(
      "--init <file>",
      "a trained network, best.ckpt or float .tflite, to start from where names and shapes agree",
    )
    .option(
      "--quantization-aware",
      "train on with weights and activations rounded as the int8 model will round them; quantize then takes them over",
    );
  return addTrainingOptions(command)
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
A trained network, best.ckpt or a float .tflite file, is trained on from its parameters.

The folder --out gets best.ckpt, the network of the best validation; float.tflite, the same for other tools;
last.ckpt, all that is needed to go on; and log.jsonl, a line of JSON for each epoch. Ctrl-C stops after the step at
hand; the same command goes on from the last whole epoch and ends with the same network as a run that was never
stopped.`,
    )
    .action(trainNetwork);
}
