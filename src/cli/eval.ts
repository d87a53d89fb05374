import { basename, join } from "node:path";
import { Command } from "commander";
import { isFile, isFolder } from "../data/files.ts";
import { isInput, openInputs } from "../data/inputs.ts";
import {
  DATASET_FILE,
  type LabelledFile,
  readClassFolders,
  readDataset,
  readLabels,
} from "../data/labels.ts";
import { topClass } from "../data/top-class.ts";
import { ThumbnetError } from "../errors.ts";
import { Confusion } from "../report/confusion.ts";
import { Progress } from "../report/progress.ts";
import { formatCount, formatPercent, formatTable, printable } from "../report/table.ts";
import type { Model } from "../runtime/model.ts";
import {
  type ExitOptions,
  engineOption,
  exitThresholdOption,
  frontEndOption,
  type InputOptions,
  inputReading,
  inputTypeOption,
  jsonOption,
  note,
  openModel,
  optimizeOption,
  type PlanOptions,
  print,
  printJson,
} from "./common.ts";
import { formatExitRates, jsonExitRates, openExitRates } from "./eval-exits.ts";

interface EvalOptions extends InputOptions, PlanOptions, ExitOptions {
  readonly labels?: string;
}

/** A wider confusion matrix is left to JSON. */
const MATRIX_CLASSES = 30;

/** The labelled files, all of one number of classes. @throws ThumbnetError naming the first that is wrong */
function checkLabels(path: string, entries: readonly LabelledFile[]): number {
  const { classes } = entries[0]!;
  for (const entry of entries) {
    if (entry.classes !== classes) {
      throw new ThumbnetError(
        `${path}: ${entry.file} has ${entry.classes} classes, ${entries[0]!.file} ${classes}`,
      );
    }
    if (entry.label >= classes) {
      throw new ThumbnetError(
        `${path}: ${entry.file} has the label ${entry.label}; with ${classes} classes: 0 to ${classes - 1}`,
      );
    }
  }
  return classes;
}

/**
 * The outputs that name a class: those with one element for each. Of a model with early exits whichever answers is
 * judged, here the final one.
 */
function classOutputs(path: string, model: Model, classes: number): number[] {
  const all = model.outputs.flatMap(({ elements }, i) => (elements === classes ? [i] : []));
  const found = model.exits.length > 0 ? all.filter((output) => output === model.finalOutput) : all;
  if (found.length > 0) return found;
  const counts = model.outputs.map(({ elements }) => elements).join(", ");
  throw new ThumbnetError(`${path}: has ${classes} classes, the model's output ${counts} elements`);
}

function formatConfusion(confusion: Confusion, labels: readonly string[] | null): string {
  const right = { align: "right" } as const;
  const classes = confusion
    .byClass()
    .map((row) => [
      `${row.index}`,
      ...(labels ? [labels[row.index]!] : []),
      formatCount(row.count),
      formatCount(row.correct),
      formatPercent(row.recall),
      formatCount(row.predicted),
      formatPercent(row.precision),
    ]);
  const columns = [
    { title: "class", ...right },
    ...(labels ? [{ title: "label" }] : []),
    { title: "count", ...right },
    { title: "correct", ...right },
    { title: "recall", ...right },
    { title: "predicted", ...right },
    { title: "precision", ...right },
  ];
  const parts = [formatTable(columns, classes)];
  if (confusion.classes > MATRIX_CLASSES) {
    parts.push(`confusion matrix: ${confusion.classes} classes are too many to print, see --json`);
  } else {
    const titles = [
      { title: "true \\ predicted", ...right },
      ...classes.map((_, i) => ({ title: `${i}`, ...right })),
    ];
    const rows = confusion
      .rows()
      .map((row, i) => [
        labels ? `${labels[i]} ${i}` : `${i}`,
        ...row.map((count) => (count === 0 ? "." : formatCount(count))),
      ]);
    parts.push(formatTable(titles, rows));
  }
  return parts.join("\n\n");
}

async function evaluate(path: string, folder: string, options: EvalOptions): Promise<void> {
  const model = await openModel(path, options);
  if (model.inputs.length !== 1) {
    throw new ThumbnetError(
      `${path}: has ${model.inputs.length} inputs; a data set can be evaluated on models of 1`,
    );
  }
  if (!(await isFolder(folder))) {
    throw new ThumbnetError(`${folder}: is a file; a data set is a folder with a ${DATASET_FILE}`);
  }
  const isListed = await isFile(join(folder, DATASET_FILE));
  const counts = model.outputs.map(({ elements }) => elements);
  const names = isListed ? null : await readLabels(options.labels, path, counts, note);
  if (!isListed && names === null) {
    throw new ThumbnetError(
      `${folder}: has no ${DATASET_FILE}; folders named as the classes need their names: --labels FILE`,
    );
  }
  const dataset = names ? await readClassFolders(folder, names, isInput) : await readDataset(folder);
  const labelFile = isListed ? join(folder, DATASET_FILE) : folder;
  const classes = checkLabels(labelFile, dataset);
  const outputs = classOutputs(labelFile, model, classes);
  const labels = names ?? (await readLabels(options.labels, path, [classes], note));
  const files = isListed ? [folder] : dataset.map(({ file }) => join(folder, file));
  const inputs = await openInputs(files, model.inputs, options);
  if (inputs.count !== dataset.length) {
    throw new ThumbnetError(
      `${folder}: ${dataset.length} labels for ${inputs.count} inputs; supported: one input in each file`,
    );
  }
  const reading = inputReading(model, inputs, options);

  const rates = await openExitRates(path, model, options);
  const thresholds = options.exitThreshold === undefined ? {} : { exitThreshold: options.exitThreshold };
  const confusions = outputs.map(() => new Confusion(classes));
  const progress = new Progress("eval", inputs.count);
  try {
    for (let i = 0; i < inputs.count; i++) {
      const data = await inputs.read(i);
      const { label } = dataset[i]!;
      if (rates || options.exitThreshold !== undefined) {
        const { output, exits } = model.run(data, thresholds);
        const top = topClass(output);
        confusions[0]!.add(label, top);
        rates?.add(exits[0]!, top === label);
      } else {
        const results = model.runAll(data);
        confusions.forEach((confusion, c) => {
          confusion.add(label, topClass(results[outputs[c]!]!));
        });
      }
      progress.step();
    }
  } finally {
    progress.end();
  }

  if (options.json) {
    const { count, correct, accuracy } = confusions[0]!;
    printJson({
      model: basename(path),
      dataset: folder,
      engine: model.engine,
      inputs: reading,
      count,
      correct,
      accuracy,
      ...(rates ? { exits: jsonExitRates(rates) } : {}),
      outputs: confusions.map((confusion, c) => ({
        name: model.outputs[outputs[c]!]!.name,
        correct: confusion.correct,
        accuracy: confusion.accuracy,
        classes: confusion.byClass().map((row) => ({ ...row, label: labels?.[row.index] ?? null })),
        confusion: confusion.rows(),
      })),
    });
    return;
  }
  confusions.forEach((confusion, c) => {
    const { accuracy, correct, count } = confusion;
    const which = confusions.length > 1 ? `output "${printable(model.outputs[outputs[c]!]!.name)}": ` : "";
    print(`${which}accuracy ${formatPercent(accuracy)} (${formatCount(correct)} of ${formatCount(count)})\n`);
    if (rates) print(`${formatExitRates(rates)}\n`);
    print(`${formatConfusion(confusion, labels)}\n`);
  });
}

export function evalCommand(): Command {
  return new Command("eval")
    .description("Measures a model's accuracy on a data set: per class, with the confusion matrix.")
    .argument("<model>", ".tflite file or thumbnet image")
    .argument(
      "<dataset>",
      `folder with a ${DATASET_FILE} (lines file,classes,label), or of folders named as the classes`,
    )
    .option("--labels <file>", "names of the classes, one a line; default: labels.txt beside the model")
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(engineOption())
    .addOption(optimizeOption())
    .addOption(exitThresholdOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nFolders of pictures, sounds or raw files are told apart by the names of the classes, see --labels; _name_ is name too.\n" +
        "\nThe top class on a tie is the first. A model of several outputs is judged by each that has one element a class;\n" +
        "one with early exits by the output that answers, with how many inputs end where and what that costs.",
    )
    .action(evaluate);
}
