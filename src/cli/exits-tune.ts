import { basename, dirname, extname, join } from "node:path";
import { Command, Option } from "commander";
import { checkTarget, makeFolder, readWhole, writeWhole } from "../data/files.ts";
import { openTrainingSet } from "../data/open-set.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import { EXIT_CRITERIA, type ExitCriterion } from "../graph/graph.ts";
import { EXIT_COSTS, type ExitCostName } from "../prune/exits/costs.ts";
import { type ExitReport, exitReport } from "../prune/exits/report.ts";
import { exitReportPage } from "../prune/exits/report-html.ts";
import { costLines, lossLine, runTable, standingLines, stopTable } from "../prune/exits/report-text.ts";
import { findStatic, measureStatic } from "../prune/exits/static.ts";
import { type Tuned, type TuneOptions, type TuneTarget, tuneExits } from "../prune/exits/tune.ts";
import { formatJson } from "../report/json.ts";
import { withProgress } from "../report/progress.ts";
import { formatTable } from "../report/table.ts";
import { readTflite } from "../tflite/read.ts";
import { jsonOption, parseNumber, print, printJson } from "./common.ts";
import { TRAINING_SET_HELP } from "./training-options.ts";

interface ExitsTuneOptions {
  readonly data: string;
  readonly out: string;
  readonly targetAccuracy?: number;
  readonly targetLoss?: number;
  readonly targetMacs?: number;
  readonly targetCycles?: number;
  readonly cost?: ExitCostName;
  readonly criterion: ExitCriterion;
  readonly perClass?: boolean;
  readonly labels: "data" | "network";
  readonly static: readonly string[];
  readonly report?: string;
  readonly json?: boolean;
}

/** Of the halves that held-out figures come from. */
const SEED = 1;

function targetOf(
  { targetAccuracy, targetLoss, targetMacs, targetCycles }: ExitsTuneOptions,
  command: Command,
): TuneTarget {
  if (targetAccuracy !== undefined) return { kind: "accuracy", accuracy: targetAccuracy / 100 };
  if (targetMacs !== undefined) return { kind: "macs", mean: targetMacs };
  if (targetCycles !== undefined) return { kind: "cycles", mean: targetCycles };
  if (targetLoss !== undefined) return { kind: "loss", loss: targetLoss / 100 };
  const options = "--target-accuracy, --target-loss, --target-macs or --target-cycles";
  return command.error(`error: what is wanted of the exits? Give one of ${options}`);
}

interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly out: string;
}

/** Of several models `tuned.tflite` becomes `tuned-1.tflite`, `tuned-2.tflite`, … */
async function openSources(models: readonly string[], out: string): Promise<Source[]> {
  const extension = extname(out);
  const stem = out.slice(0, out.length - extension.length);
  const isOne = models.length === 1;
  return Promise.all(
    models.map(async (path, i) => {
      const target = isOne ? out : `${stem}-${i + 1}${extension}`;
      await checkTarget(target);
      // Runs that differ by seed have the same file name.
      return { name: isOne ? basename(path) : path, bytes: await readWhole(path), out: target };
    }),
  );
}

async function tune(models: readonly string[], options: ExitsTuneOptions, command: Command): Promise<void> {
  const { out, cost, criterion } = options;
  const settings: TuneOptions = {
    target: targetOf(options, command),
    ...(cost && { cost }),
    criterion,
    perClass: options.perClass ?? false,
    byNetwork: options.labels === "network",
    seed: SEED,
  };
  const sources = await openSources(models, out);
  const statics = (await Promise.all(options.static.map(findStatic))).flat();
  const folder = options.report ?? dirname(out);
  await makeFolder(folder);
  const { name, bytes } = sources[0]!;
  const graph = graphFromTflite(readTflite(bytes, name), name);
  const [, height = 1, width = 1, channels = 1] = graph.tensors[graph.inputs[0]!]!.shape;
  const data = await openTrainingSet(options.data, [height, width, channels], true);
  const networks = statics.reduce((sum, { files }) => sum + files.length, sources.length);
  const { tuned, measured } = await withProgress(
    "classify",
    networks * data.validation.count,
    async (step) => {
      const tuned: Tuned[] = [];
      for (const source of sources) {
        tuned.push(await tuneExits(source.bytes, source.name, data, settings, step));
      }
      const labels = tuned.map((one) => one.labels);
      return { tuned, measured: await measureStatic(statics, data, labels, step) };
    },
  );
  const commandLine = `thumbnet ${process.argv.slice(2).join(" ")}`;
  const reports = tuned.map((one) => one.report);
  const report = exitReport(reports, measured, commandLine);
  for (const [i, source] of sources.entries()) await writeWhole(source.out, tuned[i]!.bytes);
  await writeWhole(join(folder, "report.json"), formatJson(report));
  await writeWhole(join(folder, "report.html"), exitReportPage(report));
  if (options.json) {
    printJson(report);
    return;
  }
  show(report);
  const files = sources.map((source) => source.out).join(", ");
  print(`${files}; ${join(folder, "report.html")} and report.json`);
}

function show(report: ExitReport): void {
  const { runs } = report;
  const { columns, rows } = runs.length > 1 ? runTable(report) : stopTable(runs[0]!);
  print(`${formatTable(columns, rows)}\n\n`);
  for (const line of [lossLine(report), ...costLines(report)]) print(line);
  print(`µJ is a proxy: cycles at ${report.energyAssumption}`);
  const problem = runs.find((run) => run.problem)?.problem;
  if (problem) print(`no cycles: ${problem}`);
  for (const { model, dropped } of runs) {
    if (dropped.length > 0)
      print(`${model}: not worth their cost, and gone from the file: ${dropped.join(", ")}`);
  }
  for (const line of standingLines(report)) print(line);
}

export function exitsTuneCommand(): Command {
  const targets = ["targetAccuracy", "targetLoss", "targetMacs", "targetCycles"];
  const target = (flags: string, text: string, parse: (value: string) => number, own: string) =>
    new Option(flags, text).argParser(parse).conflicts(targets.filter((name) => name !== own));
  const mean = parseNumber(1, Number.MAX_SAFE_INTEGER);
  return new Command("tune")
    .description("Chooses exits, and from which confidence on they answer, on validation data.")
    .argument(
      "<model...>",
      "int8 .tflite with exits, such as thumbnet exits train makes; several: runs that differ by seed, for mean and spread",
    )
    .requiredOption("--data <dir>", "training set, of which the validation part is used")
    .requiredOption(
      "--out <file>",
      "the .tflite with its thresholds (of several: with -1, -2, … before the extension); a report is put beside it",
    )
    .addOption(
      target(
        "--target-accuracy <percent>",
        "cheapest with such an accuracy",
        parseNumber(0, 100),
        targets[0]!,
      ),
    )
    .addOption(
      target(
        "--target-loss <points>",
        "cheapest that loses no more against the whole network, in points of a percent",
        parseNumber(-100, 100),
        targets[1]!,
      ),
    )
    .addOption(target("--target-macs <mean>", "most accurate with such a mean", mean, targets[2]!))
    .addOption(target("--target-cycles <mean>", "most accurate with such a mean", mean, targets[3]!))
    .addOption(
      new Option("--cost <cost>", "what accuracy and loss are made cheap in; default: cycles").choices([
        ...EXIT_COSTS,
      ]),
    )
    .addOption(
      new Option("--criterion <criterion>", "confidence: the top probability, or its margin to the second")
        .choices([...EXIT_CRITERIA])
        .default("top"),
    )
    .option("--per-class", "a threshold for each class")
    .addOption(
      new Option(
        "--labels <whose>",
        "what counts as right: labels (where there are none, the answers of the whole network), or those answers alone",
      )
        .choices(["data", "network"])
        .default("data"),
    )
    .addOption(
      new Option(
        "--static <paths...>",
        "for comparison: folders of thumbnet prune depth, or int8 .tflite files without exits",
      ).default([], "none"),
    )
    .option("--report <dir>", "folder for report.html and report.json; default: that of --out")
    .addOption(jsonOption())
    .addHelpText("after", `\n${TRAINING_SET_HELP}`)
    .action(tune);
}
