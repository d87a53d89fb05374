import { basename, join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { openEvaluationSet } from "../data/evaluation-set.ts";
import type { TrainingSet } from "../data/training-set.ts";
import { chooseCuts } from "../prune/depth/cuts.ts";
import type { AddedNetwork, DepthHooks, DepthOptions } from "../prune/depth/depth.ts";
import { HEAD_HELP } from "../prune/depth/heads.ts";
import { reportRows, usedColumns } from "../prune/depth/report-table.ts";
import { REPORT_JSON, REPORT_PAGE, writeDepthReport } from "../prune/depth/write-report.ts";
import { formatTable } from "../report/table.ts";
import { note, parseNumber, print, printJson } from "./common.ts";
import {
  addHeadOptions,
  checkHeads,
  type HeadValues,
  headOptions,
  headQuantization,
  openHeadTraining,
} from "./head-training.ts";
import { reportStopped, showEpoch, showStep, withBackground } from "./training.ts";

interface PruneDepthOptions extends HeadValues {
  readonly cut: readonly string[];
  readonly head: readonly string[];
  readonly unfrozen?: boolean;
  readonly frozen?: boolean;
  readonly tailLr: number;
  readonly similarity: number;
  readonly tag?: string;
  readonly add: readonly Added[];
  readonly test?: boolean;
  readonly evaluate?: string;
}

interface Added {
  readonly name: string;
  readonly path: string;
}

function parseList(text: string): string[] {
  const parts = text.split(",").filter((part) => part !== "");
  if (parts.length === 0) throw new InvalidArgumentError("It must be all, or names of cuts.");
  return parts;
}

function parseAdded(text: string, before: readonly Added[]): readonly Added[] {
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("It must be NAME=FILE.");
  const [, name, path] = match as unknown as [string, string, string];
  if (before.some((other) => other.name === name)) {
    throw new InvalidArgumentError(`"${name}" is given twice.`);
  }
  return [...before, { name, path }];
}

function depthOptions(options: PruneDepthOptions): DepthOptions {
  const { similarity } = options;
  const { lesson, ...shared } = headOptions(options);
  return {
    ...shared,
    cuts: options.cut,
    heads: options.head,
    frozen: !options.unfrozen,
    tailRate: options.tailLr,
    lesson: lesson && { ...lesson, similarity },
    ...(options.tag !== undefined && { tag: options.tag }),
    measure: {
      ...headQuantization(options),
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
  let added: readonly AddedNetwork[] = [];
  const { network, teacher, training, summary } = await openHeadTraining(
    model,
    options,
    async ({ description }) => {
      for (const cut of chooseCuts(description, options.cut)) checkHeads(options.head, cut);
      const { openNetwork } = await import("../train/open-network.ts");
      added = await Promise.all(
        options.add.map(async ({ name, path }) => ({ name, network: await openNetwork(path) })),
      );
    },
  );
  const { pruneDepth } = await import("../prune/depth/depth.ts");
  const { job } = training;
  const data: TrainingSet =
    options.evaluate === undefined
      ? training.data
      : { ...training.data, evaluation: await openEvaluationSet(options.evaluate, training.data) };
  note(summary);
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
    );
  return addHeadOptions(command, { epochs: 30 })
    .option(
      "--similarity <weight>",
      "of a loss that makes examples as similar as the teacher sees them",
      parseNumber(0, 1000),
      0,
    )
    .option("--tag <name>", "put into the names of results, to tell other options apart")
    .addOption(
      new Option("--add <name=file>", "another float network for the report; may be given again")
        .default([], "none")
        .argParser(parseAdded),
    )
    .option("--test", "measure the test examples too")
    .option(
      "--evaluate <dir>",
      "measure these too: a folder with a y_labels.csv, or of folders named as the classes",
    )
    .action(prune);
}
