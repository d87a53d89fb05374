import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { makeFolder, writeWhole } from "../data/files.ts";
import { tfliteFromGraph } from "../graph/to-tflite.ts";
import { findCut, parseHead } from "../prune/depth/cuts.ts";
import { HEAD_HELP } from "../prune/depth/heads.ts";
import type { ExitTrainHooks, ExitTrainOptions } from "../prune/exits/train-exits.ts";
import { quantizeOnSet } from "../quantize/from-set.ts";
import { formatTable } from "../report/table.ts";
import { writeTflite } from "../tflite/write.ts";
import { writeNetwork } from "../train/checkpoint.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import { note, parseNumber, percent, print, printJson } from "./common.ts";
import {
  addHeadOptions,
  checkHead,
  type HeadValues,
  headOptions,
  headQuantization,
  openHeadTraining,
} from "./head-training.ts";
import { reportStopped, showEpoch, showStep, withBackground } from "./training.ts";

interface ExitOption {
  readonly cut: string;
  readonly head: string;
}

interface ExitsTrainOptions extends HeadValues {
  readonly exit: readonly ExitOption[];
  readonly weight: number;
  readonly frozen?: boolean;
  readonly trunkLr: number;
}

/** The network with its exits, for `quantize`, other tools, and the chip. */
const FILES = { network: "best.ckpt", float: "float.tflite", int8: "int8.tflite" } as const;

function parseExit(text: string, before: readonly ExitOption[] = []): readonly ExitOption[] {
  const { cut, head } = parseHead(text);
  if (cut === null) throw new InvalidArgumentError("It must be CUT=HEAD, such as block1=48s2,48.");
  return [...before, { cut, head }];
}

function exitOptions(options: ExitsTrainOptions): ExitTrainOptions {
  const { exit: exits, weight, trunkLr: trunkRate } = options;
  return { ...headOptions(options), exits, weight, frozen: options.frozen ?? false, trunkRate };
}

async function trainCommand(model: string, options: ExitsTrainOptions): Promise<void> {
  const settings = exitOptions(options);
  const { network, teacher, training, summary } = await openHeadTraining(
    model,
    options,
    ({ description }) => {
      for (const { cut, head } of options.exit) checkHead(head, findCut(description, cut));
    },
  );
  const { data, job } = training;
  note(summary);
  const { trainExits } = await import("../prune/exits/train-exits.ts");
  await makeFolder(options.out);
  const { epochs } = settings.train;
  const label = (part: number, parts: number) => (parts > 1 ? `exit ${part + 1}/${parts}: ` : "");
  const hooks: ExitTrainHooks = {
    onStep: (part, parts, report) => showStep(report, epochs, label(part, parts)),
    onEpoch: (part, parts, report) => showEpoch(report, epochs, label(part, parts)),
  };
  const trained = await withBackground(job, (background) =>
    trainExits(network, teacher, data, options.out, settings, { ...hooks, ...background }),
  );
  if (trained === null) {
    reportStopped();
    return;
  }
  const { plain, calibration } = trained;
  const { description, parameters } = plain;
  const command = `thumbnet ${process.argv.slice(2).join(" ")}`;
  const origin = { command, data: data.name, options: settings, calibration };
  const trainedNetwork = { description, parameters, classes: data.classes, origin };
  await writeNetwork(join(options.out, FILES.network), trainedNetwork);
  const graph = graphFromNetwork(description, parameters);
  await writeWhole(join(options.out, FILES.float), writeTflite(tfliteFromGraph(graph)));
  const { quantize, ...calibrating } = headQuantization(options);
  const { bytes, model: int8 } = await quantizeOnSet(graph, data, calibrating, quantize, description.name);
  int8.dispose();
  await writeWhole(join(options.out, FILES.int8), bytes);
  if (options.json) {
    printJson(origin);
    return;
  }
  const right = { align: "right" } as const;
  const columns = [
    { title: "output" },
    { title: "at" },
    { title: "validation", ...right },
    { title: "temperature", ...right },
    { title: "calibration error", ...right },
    { title: "before", ...right },
  ];
  const error = (value: number | null) => (value === null ? "" : percent(value));
  print(
    formatTable(
      columns,
      calibration.map(({ accuracy, temperature, errorBefore, errorAfter }, i) => [
        i === 0 ? "final" : description.exits![i - 1]!.name,
        i === 0 ? "" : `${options.exit[i - 1]!.cut}=${options.exit[i - 1]!.head}`,
        percent(accuracy),
        temperature.toFixed(2),
        error(errorAfter),
        error(errorBefore),
      ]),
    ),
  );
  print(`${join(options.out, FILES.int8)}, ${FILES.float}, ${FILES.network}: exits tune chooses thresholds`);
}

export function exitsTrainCommand(): Command {
  const command = new Command("train")
    .description("Trains heads that may answer early, together with the network or on it as it is.")
    .argument("<model>", "float network: best.ckpt of thumbnet train, or a .tflite file")
    .requiredOption("--data <dir>", "training set")
    .requiredOption("--out <dir>", "folder for the networks; a run that was stopped there goes on")
    .addOption(
      new Option(
        "--exit <cut=head>",
        `a head after a block; may be given again, in order. Heads: ${HEAD_HELP}`,
      )
        .argParser(parseExit)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--weight <weight>", "of each exit's loss, beside that of the whole network")
        .default(1)
        .argParser(parseNumber(0.001, 1000)),
    )
    .option("--frozen", "leave the network as it is, and train each head alone")
    .addOption(
      new Option("--trunk-lr <factor>", "of the network that is given, times the learning rate of the heads")
        .default(0.3)
        .argParser(parseNumber(0, 10)),
    );
  return addHeadOptions(command, { epochs: 20 }).action(trainCommand);
}
