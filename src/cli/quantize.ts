import { basename } from "node:path";
import { Command, Option } from "commander";
import { checkTarget, readWhole, writeWhole } from "../data/files.ts";
import { openTrainingSet } from "../data/open-set.ts";
import { Random } from "../data/random.ts";
import { graphFromTflite } from "../graph/from-tflite.ts";
import type { Graph } from "../graph/graph.ts";
import { type Agreement, compareAccuracy, type LayerNoise, signalToNoise } from "../quantize/compare.ts";
import { FloatModel } from "../quantize/float-model.ts";
import { drawExamples, quantizeOnSet } from "../quantize/from-set.ts";
import type { QuantizeOptions } from "../quantize/quantize.ts";
import { withProgress } from "../report/progress.ts";
import { formatCount, formatFloat, formatTable } from "../report/table.ts";
import { readTflite } from "../tflite/read.ts";
import { isCheckpoint, readNetwork } from "../train/checkpoint.ts";
import { graphFromNetwork } from "../train/network/to-graph.ts";
import type { Affines } from "../train/quantization-aware.ts";
import { jsonOption, note, parseNumber, parseWhole, percent, print, printJson } from "./common.ts";
import { TRAINING_SET_HELP } from "./training-options.ts";

/** The values of the options that `addQuantizeOptions` adds. */
export interface QuantizeValues {
  readonly calibration: number;
  readonly range: NonNullable<QuantizeOptions["range"]>;
  readonly outside: number;
  readonly weights: NonNullable<QuantizeOptions["weights"]>;
  readonly biasCorrection: boolean;
}

export function quantizeOptions(values: QuantizeValues): QuantizeOptions {
  const { range, outside, weights, biasCorrection } = values;
  return { range, outside, weights, biasCorrection };
}

interface QuantizeCommandOptions extends QuantizeValues {
  readonly data: string;
  readonly out: string;
  readonly seed: number;
  readonly evaluate: "validation" | "test" | "none";
  readonly json?: boolean;
}

/** Examples that the signal-to-noise ratio is measured on. */
const NOISE_EXAMPLES = 50;

interface FloatSource {
  readonly graph: Graph;
  /** Of a network that was trained with them. */
  readonly affines: Affines | null;
}

/** A float graph from a `.tflite` file, or from a network that `thumbnet train` left. */
async function readFloatGraph(path: string): Promise<FloatSource> {
  const bytes = await readWhole(path);
  const name = basename(path);
  if (!isCheckpoint(bytes)) return { graph: graphFromTflite(readTflite(bytes, name), name), affines: null };
  const { description, parameters, origin } = await readNetwork(path);
  const trained = (origin as { quantizationAware?: { affines: Affines } } | null)?.quantizationAware;
  return { graph: graphFromNetwork(description, parameters), affines: trained?.affines ?? null };
}

/** [height, width, channels] of the input, where it can be a picture. */
function pictureShape(graph: Graph): readonly [number, number, number] {
  const [, height = 1, width = 1, channels = 1] = graph.tensors[graph.inputs[0]!]!.shape;
  return [height, width, channels];
}

function describeNoise(noise: readonly LayerNoise[], int8: Graph): string {
  const right = { align: "right" } as const;
  const rows = noise.map(({ index, kind, name, decibels }) => {
    const { scales, zeroPoints } = int8.tensors[int8.operators[index]!.outputs[0]!]!.quantization!;
    return [`${index}`, kind, name, formatFloat(scales[0]!), `${zeroPoints[0]}`, decibels.toFixed(1)];
  });
  const columns = [
    { title: "#", ...right },
    { title: "operator" },
    { title: "output" },
    { title: "scale", ...right },
    { title: "zero point", ...right },
    { title: "signal/noise dB", ...right },
  ];
  return formatTable(columns, rows);
}

async function quantize(path: string, options: QuantizeCommandOptions): Promise<void> {
  const { calibration, seed, out } = options;
  await checkTarget(out);
  const { graph, affines } = await readFloatGraph(path);
  const float = new FloatModel(graph);
  const data = await openTrainingSet(options.data, pictureShape(graph));
  const settings: QuantizeOptions = affines
    ? { affines, weights: "max", biasCorrection: false }
    : quantizeOptions(options);
  if (affines) note("trained for quantisation: ranges and scales are those of training");
  const { int8, bytes, model } = await withProgress("quantize", graph.operators.length, (step) =>
    quantizeOnSet(graph, data, { calibration, seed }, settings, basename(out), step),
  );
  // Other examples than those of the calibration.
  const noise = signalToNoise(float, int8, model, drawExamples(data, NOISE_EXAMPLES, new Random(seed, 1)));

  let accuracy: Agreement | null = null;
  if (options.evaluate !== "none") {
    const part = data[options.evaluate];
    accuracy = await withProgress("evaluate", part.count, (step) =>
      compareAccuracy(float, model, part, step),
    );
  }
  await writeWhole(out, bytes);
  const { scale, zeroPoint } = model.inputs[0]!;
  if (options.json) {
    printJson({
      model: basename(path),
      out,
      bytes: bytes.length,
      data: data.name,
      calibration: Math.min(calibration, data.train.count),
      seed,
      options: settings,
      input: { scale, zero_point: zeroPoint },
      layers: noise,
      evaluated: options.evaluate,
      accuracy,
    });
    return;
  }
  print(`${describeNoise(noise, int8)}\n`);
  print(`input scale ${formatFloat(scale)}, zero point ${zeroPoint}`);
  if (accuracy) {
    const { count, floatAccuracy, int8Accuracy, agreement } = accuracy;
    print(
      `${options.evaluate}: float ${percent(floatAccuracy)}, int8 ${percent(int8Accuracy)}, ` +
        `the same class ${percent(agreement)} (${formatCount(count)} examples)`,
    );
  }
  print(`${out}: ${formatCount(bytes.length)} bytes`);
}

export function addQuantizeOptions(command: Command): Command {
  return command
    .option("--calibration <n>", "training examples for the ranges", parseWhole(1), 500)
    .addOption(
      new Option("--range <method>", "how the ranges of activations are found")
        .choices(["minmax", "percentile", "mse"])
        .default("mse"),
    )
    .option("--outside <share>", "of the values, for --range percentile", parseNumber(0, 0.5), 0.0001)
    .addOption(
      new Option("--weights <method>", "scales of weights: by the largest, or by the least squared error")
        .choices(["max", "mse"])
        .default("mse"),
    )
    .option("--no-bias-correction", "leave the mean errors of channels as they are");
}

export function quantizeCommand(): Command {
  const command = new Command("quantize")
    .description("Makes an int8 model of a float one, with ranges from training examples.")
    .argument("<model>", "float .tflite file, or a network that thumbnet train left (best.ckpt)")
    .requiredOption("--data <dir>", "training set, as for thumbnet train")
    .requiredOption("--out <file>", ".tflite file to write");
  return addQuantizeOptions(command)
    .option("--seed <n>", "of their choice", parseWhole(0), 1)
    .addOption(
      new Option("--evaluate <part>", "examples to compare float and int8 on")
        .choices(["validation", "test", "none"])
        .default("validation"),
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
${TRAINING_SET_HELP}

Weights are symmetric with a scale for each output channel (fully connected layers: one), biases int32, activations
asymmetric. The signal-to-noise ratio compares what the int8 model makes in this runtime with the float model, errors
of all earlier operators included. A network of thumbnet train --quantization-aware is quantised as it was trained;
--range, --weights and the bias correction do not count for it. The file written runs on TensorFlow Lite and TensorFlow Lite Micro too.`,
    )
    .action(quantize);
}
