import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { makeFolder, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { type Block, parseBlock, SKIPPED_BLOCK } from "../prune/magnitude/blocks.ts";
import type { MagnitudeOptions } from "../prune/magnitude/pruner.ts";
import { type LayerSparsity, layerSparsities } from "../prune/magnitude/sparsity.ts";
import { type Agreement, compareAccuracy } from "../quantize/compare.ts";
import { FloatModel } from "../quantize/float-model.ts";
import { quantizeOnSet } from "../quantize/from-set.ts";
import { withProgress } from "../report/progress.ts";
import { formatCount, formatTable } from "../report/table.ts";
import { writeTflite } from "../tflite/write.ts";
import { batchCount } from "../train/batches.ts";
import { FLOAT_FILE, INT8_FILE } from "../train/exported-files.ts";
import { networkCost } from "../train/network/description.ts";
import { parametersChecksum } from "../train/network/parameters.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import { jsonOption, note, parseNumber, parseWhole, percent, print, printJson } from "./common.ts";
import { checkClasses, describeData, openTrainingData, runTraining, startBackend } from "./training.ts";
import {
  addTrainingOptions,
  TRAINING_SET_HELP,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

interface PruneMagnitudeOptions extends TrainingValues {
  readonly data: string;
  readonly out: string;
  readonly sparsity: number;
  readonly block: Block;
  readonly scope: MagnitudeOptions["scope"];
  readonly firstLayer?: boolean;
  readonly ramp?: number;
  readonly every: number;
  readonly calibration: number;
  readonly test?: boolean;
  readonly json?: boolean;
}

function parseBlockOption(text: string): Block {
  try {
    return parseBlock(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Epochs of rising sparsity: half of all, at least one, where the user does not say. */
function rampOf({ ramp, epochs }: PruneMagnitudeOptions): number {
  const length = ramp ?? Math.max(1, epochs / 2);
  if (length <= epochs) return length;
  throw new ThumbnetError(`--ramp ${length} is longer than --epochs ${epochs}`);
}

const SKIPPED = `${SKIPPED_BLOCK.outputs}x${SKIPPED_BLOCK.inputs}`;

function describeSparsity(layers: readonly LayerSparsity[]): string {
  const right = { align: "right" } as const;
  const rows = layers.map(({ index, kind, name, weights, zeros, zeroBlocks }) => [
    `${index}`,
    kind,
    name,
    formatCount(weights),
    percent(zeros),
    zeroBlocks === null ? "" : percent(zeroBlocks),
  ]);
  const columns = [
    { title: "#", ...right },
    { title: "operator" },
    { title: "output" },
    { title: "weights", ...right },
    { title: "zero", ...right },
    { title: `zero blocks ${SKIPPED}`, ...right },
  ];
  return formatTable(columns, rows);
}

/** Weights of an int8 graph in all, and those that are not zero. */
function countWeights(layers: readonly LayerSparsity[]): { weights: number; nonZero: number } {
  const weights = layers.reduce((sum, layer) => sum + layer.weights, 0);
  const nonZero = layers.reduce((sum, layer) => sum + Math.round(layer.weights * (1 - layer.zeros)), 0);
  return { weights, nonZero };
}

async function pruneMagnitude(path: string, options: PruneMagnitudeOptions): Promise<void> {
  const { out, sparsity, block, scope, every, calibration, seed } = options;
  const settings: MagnitudeOptions = {
    sparsity,
    block,
    scope,
    firstLayer: options.firstLayer ?? false,
    ramp: rampOf(options),
    every,
  };
  const { name: backend } = await startBackend(options);
  const [{ openNetwork }, { Network }, { BEST_FILE }, { readNetwork }, { MagnitudePruner }] =
    await Promise.all([
      import("../train/open-network.ts"),
      import("../train/network.ts"),
      import("../train/loop.ts"),
      import("../train/checkpoint.ts"),
      import("../prune/magnitude/pruner.ts"),
    ]);
  const { description, parameters, classes } = await openNetwork(path);
  const withUnlabelled = options.teacher !== undefined;
  const job = { path: options.data, pictureShape: description.inputShape, withUnlabelled };
  const training = await openTrainingData(job);
  checkClasses(path, classes, training);
  const { data } = training;
  await makeFolder(out);
  const network = new Network(description, parameters);
  const pruner = new MagnitudePruner(network, settings, batchCount(data.train, options.batch));
  const { macs } = networkCost(description);
  note(`${description.name}: ${formatCount(macs)} MACs; ${describeData(data, backend)}`);
  const identity = { prune: { magnitude: settings, from: parametersChecksum(parameters) } };
  const result = await runTraining(network, training, out, options, { constraint: pruner, identity });
  if (result === null) return;

  const best = await readNetwork(join(out, BEST_FILE));
  const graph = graphFromNetwork(description, best.parameters);
  await writeWhole(join(out, FLOAT_FILE), writeTflite(tfliteFromGraph(graph)));
  const quantized = await withProgress("quantize", graph.operators.length, (step) =>
    quantizeOnSet(graph, data, { calibration, seed }, {}, INT8_FILE, step),
  );
  await writeWhole(join(out, INT8_FILE), quantized.bytes);
  const layers = layerSparsities(quantized.int8, SKIPPED_BLOCK);
  const counts = countWeights(layers);
  const float = new FloatModel(graph);
  const accuracy: Record<string, Agreement> = {};
  for (const part of options.test ? (["validation", "test"] as const) : (["validation"] as const)) {
    accuracy[part] = await withProgress(part, data[part].count, (step) =>
      compareAccuracy(float, quantized.model, data[part], step),
    );
  }
  if (options.json) {
    printJson({
      network: description.name,
      data: data.name,
      backend,
      prune: settings,
      options: trainOptions(options),
      epochs: result.epochs,
      best_epoch: result.bestEpoch,
      weights: counts.weights,
      weights_not_zero: counts.nonZero,
      macs,
      bytes: quantized.bytes.length,
      layers,
      accuracy,
    });
    return;
  }
  print(`${describeSparsity(layers)}\n`);
  const { weights, nonZero } = counts;
  print(
    `${formatCount(nonZero)} of ${formatCount(weights)} weights are left (${percent(1 - nonZero / weights)} zero)`,
  );
  for (const [part, { floatAccuracy, int8Accuracy, count }] of Object.entries(accuracy)) {
    print(
      `${part}: float ${percent(floatAccuracy)}, int8 ${percent(int8Accuracy)} (${formatCount(count)} examples)`,
    );
  }
  print(`${join(out, INT8_FILE)}, ${FLOAT_FILE} and ${BEST_FILE}`);
}

export function pruneMagnitudeCommand(): Command {
  const command = new Command("magnitude")
    .description("Makes the smallest weights, or blocks of weights, zero while the network trains on.")
    .argument("<model>", "a trained network: best.ckpt of thumbnet train, or a float .tflite file")
    .requiredOption("--data <dir>", "training set")
    .requiredOption("--out <dir>", "folder for the results; a run that was stopped there goes on")
    .addOption(
      new Option("--sparsity <share>", "of the weights that are pruned, to be zero in the end")
        .argParser(parseNumber(0, 0.999))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--block <outputs x inputs>",
        `weights that are zero together; ${SKIPPED}: what the SIMD kernels leave out`,
      )
        .default({ outputs: 1, inputs: 1 }, "1x1")
        .argParser(parseBlockOption),
    )
    .addOption(
      new Option("--scope <scope>", "one threshold for all layers, or the same share of each")
        .choices(["global", "layer"])
        .default("global"),
    )
    .option("--first-layer", "prune the first layer too")
    .option("--ramp <epochs>", "in which sparsity rises; default: half of all", parseNumber(1, 100000))
    .option(
      "--every <steps>",
      "the choice of what is zero is made anew while sparsity rises",
      parseWhole(1),
      16,
    )
    .option("--calibration <n>", "training examples for the ranges of the int8 model", parseWhole(1), 500);
  return addTrainingOptions(command, { epochs: 20, lr: 0.001 })
    .option("--test", "measure the accuracy on the test examples too")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
${TRAINING_SET_HELP}

Pruned are the weights of convolutions and dense layers, not of depthwise ones, and of the first layer only with
--first-layer. Sparsity at a share t of the ramp is s (1 - (1 - t)^3). With --scope global weights of different layers
are compared by their share in their layer (LAMP), else each layer gets the same sparsity. Zeros stay zero from then
on, through averaging of weights and quantisation. Networks are kept as the best once the ramp has ended.

The folder --out gets int8.tflite, float.tflite, best.ckpt, last.ckpt and log.jsonl. Ctrl-C stops after the step at
hand; the same command goes on from the last whole epoch.`,
    )
    .action(pruneMagnitude);
}
