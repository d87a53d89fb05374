import { basename, join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { openEvaluationSet } from "../data/evaluation-set.ts";
import type { TrainingSet } from "../data/training-set.ts";
import { chooseHeads } from "../prune/depth/cuts.ts";
import type { AddedNetwork, DepthHooks, DepthOptions } from "../prune/depth/depth.ts";
import { HEAD_HELP } from "../prune/depth/heads.ts";
import type { DepthReport } from "../prune/depth/report.ts";
import { reportRows, usedColumns } from "../prune/depth/report-table.ts";
import { REPORT_JSON, REPORT_PAGE, writeDepthReport } from "../prune/depth/write-report.ts";
import { formatTable } from "../report/table.ts";
import { jsonOption, note, parseNumber, print, printJson } from "./common.ts";
import {
  addHeadOptions,
  checkHead,
  type HeadValues,
  headOptions,
  headQuantization,
  type OpenedNetwork,
  openHeadTraining,
} from "./head-training.ts";
import { checkClasses, reportStopped, showEpoch, showStep, withBackground } from "./training.ts";

interface PruneDepthOptions extends HeadValues {
  readonly cut: readonly string[];
  readonly head: readonly string[];
  readonly unfrozen?: boolean;
  readonly frozen?: boolean;
  readonly tailLr: number;
  readonly similarity: number;
  readonly tag?: string;
  readonly reference?: string;
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

interface Opened {
  readonly path: string;
  readonly network: OpenedNetwork;
}

interface Comparison {
  readonly reference: Opened | null;
  readonly added: readonly (Opened & AddedNetwork)[];
}

/** @throws ThumbnetError where a file is no network, or the reference is another one */
async function openComparison(
  model: OpenedNetwork,
  { reference, add }: PruneDepthOptions,
): Promise<Comparison> {
  const { openNetwork } = await import("../train/open-network.ts");
  const open = async (path: string): Promise<Opened> => ({ path, network: await openNetwork(path) });
  const opened = reference === undefined ? null : await open(reference);
  if (opened !== null) {
    const { checkReference } = await import("../prune/depth/depth.ts");
    checkReference(model, opened.network);
  }
  const added = await Promise.all(add.map(async ({ name, path }) => ({ name, ...(await open(path)) })));
  return { reference: opened, added };
}

async function prune(model: string, options: PruneDepthOptions): Promise<void> {
  const settings = depthOptions(options);
  let comparison: Comparison = { reference: null, added: [] };
  const { network, teacher, training, summary } = await openHeadTraining(model, options, async (network) => {
    for (const { cut, head } of chooseHeads(network.description, options.cut, options.head))
      checkHead(head, cut);
    comparison = await openComparison(network, options);
  });
  const { pruneDepth } = await import("../prune/depth/depth.ts");
  const { job } = training;
  const { reference, added } = comparison;
  for (const { path, network } of reference === null ? added : [reference, ...added]) {
    checkClasses(path, network.classes, training);
  }
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
      await writeDepthReport(options.out);
    },
    onMeasure: (name) => note(`${name}: quantise, classify, emulate`),
  };
  const isDone = await withBackground(job, (background) =>
    pruneDepth(
      network,
      teacher,
      data,
      options.out,
      settings,
      { ...hooks, ...background },
      { reference: reference?.network ?? null, added },
    ),
  );
  if (!isDone) {
    reportStopped();
    return;
  }
  showDepthReport(await writeDepthReport(options.out), options);
}

/** Prints a report that lies in a folder. */
function showDepthReport(report: DepthReport, { out, json }: { out: string; json?: boolean }): void {
  if (json) {
    printJson(report);
    return;
  }
  const columns = usedColumns(report, false);
  print(formatTable(columns, reportRows(report, columns)));
  print(`\n${join(out, REPORT_PAGE)} and ${REPORT_JSON}: accuracies are of the ${report.part} examples`);
}

export function pruneReportCommand(): Command {
  return new Command("report")
    .description(
      "Puts results of prune depth together: networks that differ by seed become means and spreads.",
    )
    .argument("<folder...>", "what prune depth left, each folder of a whole network and its cuts")
    .requiredOption("--out <dir>", "folder for the report")
    .addOption(jsonOption())
    .action(async (folders: string[], options: { out: string; json?: boolean }) => {
      showDepthReport(await writeDepthReport(options.out, folders), options);
    })
    .addHelpText(
      "after",
      "\nEach cut is compared with the whole network of its own folder. The folders must be of the same network, data set\nand way of measuring (--calibration, --range, --test, --evaluate ...).",
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
    .addOption(
      new Option("--head <kinds...>", `${HEAD_HELP}; CUT=KIND: for one of the cuts`).default(
        ["dscnn32_16"],
        "dscnn32_16",
      ),
    )
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
    .option(
      "--reference <file>",
      "whole network that losses are counted against: the same layers, trained for as long as model and cut together, say; default: the model",
    )
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
