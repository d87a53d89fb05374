import { basename, dirname, join } from "node:path";
import { Command, Option } from "commander";
import { checkTarget, makeFolder, readWhole, writeWhole } from "../data/files.ts";
import { openTrainingSet } from "../data/open-set.ts";
import { ThumbnetError } from "../errors.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import { EXIT_CRITERIA, type ExitCriterion } from "../graph/graph.ts";
import { EXIT_COSTS, type ExitCostName } from "../prune/exits/costs.ts";
import {
  describeLoss,
  type ExitReport,
  exitReportPage,
  formatThresholds,
} from "../prune/exits/report-html.ts";
import { compareWithStatic, readStatic } from "../prune/exits/static.ts";
import { type TuneOptions, type TuneTarget, tuneExits } from "../prune/exits/tune.ts";
import { formatJson } from "../report/json.ts";
import { withProgress } from "../report/progress.ts";
import { formatOptional, formatTable } from "../report/table.ts";
import { readTflite } from "../tflite/read.ts";
import { jsonOption, parseNumber, percent, print, printJson, TRAINING_SET_HELP } from "./common.ts";

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

function targetOf({ targetAccuracy, targetLoss, targetMacs, targetCycles }: ExitsTuneOptions): TuneTarget {
  if (targetAccuracy !== undefined) return { kind: "accuracy", accuracy: targetAccuracy / 100 };
  if (targetMacs !== undefined) return { kind: "macs", mean: targetMacs };
  if (targetCycles !== undefined) return { kind: "cycles", mean: targetCycles };
  if (targetLoss !== undefined) return { kind: "loss", loss: targetLoss / 100 };
  const options = "--target-accuracy, --target-loss, --target-macs or --target-cycles";
  throw new ThumbnetError(`what is wanted of the exits? Give one of ${options}`);
}

async function tune(model: string, options: ExitsTuneOptions): Promise<void> {
  const { out, cost, criterion } = options;
  const settings: TuneOptions = {
    target: targetOf(options),
    ...(cost && { cost }),
    criterion,
    perClass: options.perClass ?? false,
    byNetwork: options.labels === "network",
    seed: SEED,
  };
  await checkTarget(out);
  const folder = options.report ?? dirname(out);
  await makeFolder(folder);
  const bytes = await readWhole(model);
  const name = basename(model);
  const graph = graphFromTflite(readTflite(bytes, name), name);
  const [, height = 1, width = 1, channels = 1] = graph.tensors[graph.inputs[0]!]!.shape;
  const data = await openTrainingSet(options.data, [height, width, channels], true);
  const lists = await Promise.all(
    options.static.map((path) => readStatic(path, data.name, settings.byNetwork)),
  );
  const tuned = await withProgress("classify", data.validation.count, (step) =>
    tuneExits(bytes, name, data, settings, step),
  );
  const statics = lists.flat();
  const report: ExitReport = {
    ...tuned.report,
    statics,
    comparison: compareWithStatic(tuned.report, statics),
    command: `thumbnet ${process.argv.slice(2).join(" ")}`,
  };
  await writeWhole(out, tuned.bytes);
  await writeWhole(join(folder, "report.json"), formatJson(report));
  await writeWhole(join(folder, "report.html"), exitReportPage(report));
  if (options.json) {
    printJson(report);
    return;
  }
  show(report);
  print(`${out}; ${join(folder, "report.html")} and report.json`);
}

function show({
  problem,
  stops,
  whole,
  mean,
  accuracy,
  loss,
  heldOut,
  dropped,
  comparison,
}: ExitReport): void {
  const right = { align: "right" } as const;
  const row = (
    name: string,
    costs: ExitReport["mean"],
    right_: number | null,
    rate: string,
    threshold: string,
  ) => [
    name,
    formatOptional(costs.macs),
    percent(costs.macs! / whole.costs.macs!),
    formatOptional(costs.cycles),
    right_ === null ? "" : percent(right_),
    rate,
    threshold,
  ];
  print(
    formatTable(
      [
        { title: "stops at" },
        ...["MACs", "of the whole", "cycles", "accuracy", "share", "threshold"].map((title) => ({
          title,
          ...right,
        })),
      ],
      [
        ...stops.map((stop) =>
          row(stop.name, stop.costs, stop.accuracy, percent(stop.rate), formatThresholds(stop.thresholds)),
        ),
        row("mean, as tuned", mean, accuracy, "", ""),
        ...(heldOut ? [row("held out", heldOut.mean, whole.accuracy - heldOut.loss, "", "")] : []),
        row("without exits", whole.costs, whole.accuracy, "", ""),
      ],
    ),
  );
  const saved = `${percent(mean.macs! / whole.costs.macs!)} of the MACs`;
  print(`\n${describeLoss(loss)} at ${saved}${heldOut ? `; held out ${describeLoss(heldOut.loss)}` : ""}`);
  if (problem !== null) print(`no cycles: ${problem}`);
  if (dropped.length > 0) print(`not worth their cost, and gone from the file: ${dropped.join(", ")}`);
  const known = comparison.filter(({ exits }) => exits !== null);
  const below = known.filter(({ exits, network }) => exits! < network.accuracy);
  if (known.length > 0) {
    print(`at or above ${known.length - below.length} of ${known.length} points of the static Pareto fronts`);
  }
}

export function exitsTuneCommand(): Command {
  const targets = ["targetAccuracy", "targetLoss", "targetMacs", "targetCycles"];
  const target = (flags: string, text: string, parse: (value: string) => number, own: string) =>
    new Option(flags, text).argParser(parse).conflicts(targets.filter((name) => name !== own));
  const mean = parseNumber(1, Number.MAX_SAFE_INTEGER);
  return new Command("tune")
    .description("Chooses exits, and from which confidence on they answer, on validation data.")
    .argument("<model>", "int8 .tflite with exits, such as thumbnet exits train makes")
    .requiredOption("--data <dir>", "training set, of which the validation part is used")
    .requiredOption("--out <file>", "the .tflite with its thresholds; a report is put beside it")
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
      new Option("--static <dirs...>", "folders of thumbnet prune depth, for comparison").default([], "none"),
    )
    .option("--report <dir>", "folder for report.html and report.json; default: that of --out")
    .addOption(jsonOption())
    .addHelpText("after", `\n${TRAINING_SET_HELP}`)
    .action(tune);
}
