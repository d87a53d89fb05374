import { basename, join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { openEvaluationSet } from "../data/evaluation-set.ts";
import type { TrainingSet } from "../data/training-set.ts";
import { chooseCuts } from "../prune/depth/cuts.ts";
import type { DepthHooks, DepthOptions } from "../prune/depth/depth.ts";
import { HEAD_HELP } from "../prune/depth/heads.ts";
import { reportRows, usedColumns } from "../prune/depth/report-table.ts";
import { REPORT_JSON, REPORT_PAGE, writeDepthReport } from "../prune/depth/write-report.ts";
import { formatTable } from "../report/table.ts";
import { jsonOption, note, parseNumber, parseWhole, print, printJson, TRAINING_SET_HELP } from "./common.ts";
import { addQuantizeOptions, type QuantizeValues } from "./quantize.ts";
import {
  checkClasses,
  describeData,
  openTrainingData,
  reportStopped,
  showEpoch,
  showStep,
  startBackend,
  withBackground,
} from "./training.ts";
import {
  addTeacherOptions,
  addTrainingOptions,
  type TeacherValues,
  type TrainingValues,
  trainOptions,
} from "./training-options.ts";

interface PruneDepthOptions extends TrainingValues, TeacherValues, QuantizeValues {
  readonly data: string;
  readonly out: string;
  readonly cut: readonly string[];
  readonly head: readonly string[];
  readonly unfrozen?: boolean;
  readonly frozen?: boolean;
  readonly tailLr: number;
  readonly distill?: boolean;
  readonly similarity: number;
  readonly dropout: number;
  readonly tag?: string;
  readonly add: readonly Added[];
  readonly featureCache: number;
  readonly test?: boolean;
  readonly evaluate?: string;
  readonly json?: boolean;
}

interface Added {
  readonly name: string;
  readonly path: string;
}

const parseList = (text: string): string[] => text.split(",").filter((part) => part !== "");

function parseAdded(text: string, before: readonly Added[]): readonly Added[] {
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("It must be NAME=FILE.");
  return [...before, { name: match[1]!, path: match[2]! }];
}

/** Of the choice of calibration examples: the same for all runs, so that only networks differ. */
const CALIBRATION_SEED = 1;

function depthOptions(options: PruneDepthOptions): DepthOptions {
  const { temperature, teacherShare: share, similarity, range, outside, weights, biasCorrection } = options;
  const isTaught = options.distill || options.teacher !== undefined;
  return {
    cuts: options.cut,
    heads: options.head,
    dropout: options.dropout,
    frozen: !options.unfrozen,
    tailRate: options.tailLr,
    lesson: isTaught ? { temperature, share, similarity } : null,
    train: trainOptions(options),
    cacheBytes: 2 ** 20 * options.featureCache,
    ...(options.tag !== undefined && { tag: options.tag }),
    measure: {
      quantize: { range, outside, weights, biasCorrection },
      calibration: options.calibration,
      seed: CALIBRATION_SEED,
      parts: [
        "validation",
        ...(options.test ? (["test"] as const) : []),
        ...(options.evaluate === undefined ? [] : (["evaluation"] as const)),
      ],
      ...(options.evaluate !== undefined && { evaluation: basename(options.evaluate) }),
    },
    command: `thumbnet ${process.argv.slice(2).join(" ")}`,
  };
}

async function prune(model: string, options: PruneDepthOptions): Promise<void> {
  const settings = depthOptions(options);
  const { name: backend } = await startBackend(options);
  const [{ openNetwork }, { pruneDepth }] = await Promise.all([
    import("../train/open-network.ts"),
    import("../prune/depth/depth.ts"),
  ]);
  const network = await openNetwork(model);
  chooseCuts(network.description, options.cut);
  const teacher = options.teacher === undefined ? null : await openNetwork(options.teacher);
  const added = await Promise.all(
    options.add.map(async ({ name, path }) => ({ name, network: await openNetwork(path) })),
  );
  const { inputShape } = network.description;
  const withUnlabelled = settings.lesson !== null;
  const training = await openTrainingData({ path: options.data, pictureShape: inputShape, withUnlabelled });
  const { job } = training;
  const data: TrainingSet =
    options.evaluate === undefined
      ? training.data
      : { ...training.data, evaluation: await openEvaluationSet(options.evaluate, training.data) };
  checkClasses(model, network.classes, training);
  if (teacher !== null) checkClasses(options.teacher!, teacher.classes, training);
  note(`${basename(model)}; ${describeData(data, backend)}`);
  const { epochs } = settings.train;
  const hooks: DepthHooks = {
    onStep: ({ index, count, name }, report, secondsLeft) =>
      showStep({ ...report, secondsLeft }, epochs, `${index + 1}/${count} ${name}: `),
    onEpoch: ({ index, count, name }, report) => showEpoch(report, epochs, `${index + 1}/${count} ${name}: `),
    onResult: async () => {
      await writeDepthReport(options.out, network.description);
    },
    onMeasure: (name) => note(`${name}: quantise, classify, emulate`),
  };
  const isDone = await withBackground(job, (background) =>
    pruneDepth(network, teacher, data, options.out, settings, { ...hooks, ...background }, added),
  );
  if (!isDone) {
    reportStopped();
    return;
  }
  const report = await writeDepthReport(options.out, network.description);
  if (options.json) {
    printJson(report);
    return;
  }
  const columns = usedColumns(report, false);
  print(formatTable(columns, reportRows(report, columns)));
  print(
    `\n${join(options.out, REPORT_PAGE)} and ${REPORT_JSON}: accuracies are of the ${report.part} examples`,
  );
}

export function pruneDepthCommand(): Command {
  const command = new Command("depth")
    .description("Cuts a network after each block and trains a small head on what is left.")
    .argument("<model>", "float network: best.ckpt of thumbnet train, or a .tflite file")
    .requiredOption("--data <dir>", "training set")
    .requiredOption(
      "--out <dir>",
      "folder for the networks and the report; results there stay and are reported too",
    )
    .addOption(
      new Option("--cut <names>", "blocks to cut after, separated by commas; all: each that makes it shorter")
        .default(["all"], "all")
        .argParser(parseList),
    )
    .addOption(new Option("--head <kinds...>", HEAD_HELP).default(["dscnn32_16"], "dscnn32_16"))
    .option("--frozen", "leave the part that stays as it is (default)")
    .addOption(new Option("--unfrozen", "train it too").conflicts("frozen"))
    .option(
      "--tail-lr <factor>",
      "with --unfrozen: of the part that stays, times the learning rate",
      parseNumber(0, 10),
      0.3,
    )
    .option("--distill", "learn what the whole network answers, also for examples without a class");
  return addQuantizeOptions(addTeacherOptions(addTrainingOptions(command, { epochs: 30 })))
    .option(
      "--similarity <weight>",
      "of a loss that makes examples as similar as the teacher sees them",
      parseNumber(0, 1000),
      0,
    )
    .option("--dropout <share>", "of the features before the last layer", parseNumber(0, 0.9), 0)
    .option("--tag <name>", "put into the names of results, to tell other options apart")
    .addOption(
      new Option("--add <name=file>", "another float network for the report; may be given again")
        .default([], "none")
        .argParser(parseAdded),
    )
    .option(
      "--feature-cache <MiB>",
      "memory for the features of a frozen part, kept where --augmentation and --mix are 0, or with --variants",
      parseWhole(0),
      1500,
    )
    .option("--test", "measure the test examples too")
    .option(
      "--evaluate <dir>",
      "measure these too: a folder with a y_labels.csv, or of folders named as the classes",
    )
    .addOption(jsonOption())
    .addHelpText("after", `\n${TRAINING_SET_HELP}`)
    .action(prune);
}
