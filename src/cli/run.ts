import { basename } from "node:path";
import { Command } from "commander";
import { checkTarget, writeWhole } from "../data/files.ts";
import { openInputs } from "../data/inputs.ts";
import { readLabels } from "../data/labels.ts";
import { topClass } from "../data/top-class.ts";
import { Progress } from "../report/progress.ts";
import { formatTable } from "../report/table.ts";
import type { Model } from "../runtime/model.ts";
import { dequantize, type InputData, type OutputData, type TensorInfo } from "../runtime/tensors.ts";
import {
  type ExitOptions,
  engineOption,
  exitThresholdOption,
  frontEndOption,
  INPUT_HELP,
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
  storedBytes,
} from "./common.ts";

interface RunOptions extends InputOptions, PlanOptions, ExitOptions {
  readonly out?: string;
  readonly labels?: string;
}

/** Outputs of more elements are not printed: as text, as JSON. `--out` has them all. */
const SHORT = 16;
const SHORT_JSON = 1024;

interface OutputResult {
  readonly name: string;
  readonly top_class: number;
  readonly label: string | null;
  /** The real value of the top class. */
  readonly score: number;
  /** As the chip has them; null where there are very many. */
  readonly values: readonly number[] | null;
}

interface Result {
  readonly name: string;
  /** The early exit that answered, null for the final output; absent where the model has none. */
  readonly exit?: number | null;
  /** What it answered with: the probability of its top class. */
  readonly confidence?: number;
  readonly outputs: readonly OutputResult[];
}

function describe(info: TensorInfo, values: OutputData, labels: readonly string[] | null): OutputResult {
  const top = topClass(values);
  return {
    name: info.name,
    top_class: top,
    label: labels?.length === info.elements ? labels[top]! : null,
    score: dequantize(values.slice(top, top + 1), info)[0]!,
    values: values.length <= SHORT_JSON ? [...values] : null,
  };
}

/** The outputs for one input: of a model with early exits that which answered. */
function runOne(
  model: Model,
  data: readonly InputData[],
  { exitThreshold }: ExitOptions,
): { outputs: { info: TensorInfo; values: OutputData }[]; answer: Pick<Result, "exit" | "confidence"> } {
  if (model.exits.length === 0 && exitThreshold === undefined) {
    const outputs = model.runAll(data).map((values, i) => ({ info: model.outputs[i]!, values }));
    return { outputs, answer: {} };
  }
  const options = exitThreshold === undefined ? {} : { exitThreshold };
  const { output, exits, confidences } = model.run(data, options);
  const exit = model.exits[exits[0]!];
  const info = model.outputs[exit?.output ?? model.finalOutput]!;
  return {
    outputs: [{ info, values: output }],
    answer: { exit: exit ? exits[0]! : null, confidence: confidences[0]! },
  };
}

function formatResults(model: Model, results: readonly Result[], labels: readonly string[] | null): string {
  const hasExits = model.exits.length > 0;
  const showOutput = model.outputs.length > 1 && !hasExits;
  const showValues = model.outputs.some(({ elements }) => elements <= SHORT);
  const columns = [
    { title: "input" },
    ...(hasExits ? [{ title: "exit" }] : []),
    ...(showOutput ? [{ title: "output" }] : []),
    { title: "class", align: "right" } as const,
    ...(labels ? [{ title: "label" }] : []),
    { title: "score", align: "right" } as const,
    ...(showValues ? [{ title: "raw output" }] : []),
  ];
  const rows = results.flatMap(({ name, exit, outputs }) =>
    outputs.map((output) => [
      name,
      ...(hasExits ? [exit === null ? "final" : `${exit}`] : []),
      ...(showOutput ? [output.name] : []),
      `${output.top_class}`,
      ...(labels ? [output.label ?? ""] : []),
      output.score.toPrecision(4),
      ...(showValues ? [output.values && output.values.length <= SHORT ? output.values.join(" ") : ""] : []),
    ]),
  );
  return formatTable(columns, rows);
}

async function run(path: string, paths: readonly string[], options: RunOptions): Promise<void> {
  if (options.out !== undefined) await checkTarget(options.out);
  const model = await openModel(path, options);
  const counts = model.outputs.map(({ elements }) => elements);
  const labels = await readLabels(options.labels, path, counts, note);
  const inputs = await openInputs(paths, model.inputs, options);
  const reading = inputReading(model, inputs, options);

  const results: Result[] = [];
  const raw: Uint8Array[] = [];
  const progress = new Progress("run", inputs.count);
  try {
    for (let i = 0; i < inputs.count; i++) {
      const { outputs, answer } = runOne(model, await inputs.read(i), options);
      for (const { values } of outputs) raw.push(storedBytes(values));
      const described = outputs.map(({ info, values }) => describe(info, values, labels));
      results.push({ name: inputs.name(i), ...answer, outputs: described });
      progress.step();
    }
  } finally {
    progress.end();
  }
  if (options.out !== undefined) await writeWhole(options.out, Buffer.concat(raw));
  if (options.json) {
    const { engine } = model;
    printJson({
      model: basename(path),
      engine,
      inputs: reading,
      count: results.length,
      out: options.out ?? null,
      results,
    });
    return;
  }
  print(formatResults(model, results, labels));
}

export function runCommand(): Command {
  return new Command("run")
    .description("Runs a model on inputs and prints the top class of each.")
    .argument("<model>", ".tflite file or thumbnet image")
    .argument("<input...>", "raw tensor files, pictures, sounds or folders")
    .option(
      "--out <file>",
      "write the raw outputs (int8 where the model says float32), in the order of the inputs; with early exits those that answered",
    )
    .option("--labels <file>", "names of the classes, one a line; default: labels.txt beside the model")
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(engineOption())
    .addOption(optimizeOption())
    .addOption(exitThresholdOption())
    .addOption(jsonOption())
    .addHelpText("after", INPUT_HELP)
    .action(run);
}
