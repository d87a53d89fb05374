import { basename } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { readWhole } from "../data/files.ts";
import { type ModelInputs, openInputs } from "../data/inputs.ts";
import { topClass } from "../data/top-class.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { NOT_MODELLED } from "../mcu/cycles.ts";
import { createEmulator, type EmulatedRun, type Emulator } from "../mcu/emulator.ts";
import { Progress } from "../report/progress.ts";
import { type OperatorSummary, summarize, totalCost } from "../report/summary.ts";
import { formatCount, formatOptional, formatTable, printable } from "../report/table.ts";
import { dequantize } from "../runtime/tensors.ts";
import {
  frontEndOption,
  INPUT_HELP,
  type InputOptions,
  inputReading,
  inputTypeOption,
  jsonOption,
  note,
  optimizeOption,
  type PlanOptions,
  parseWhole,
  print,
  printJson,
} from "./common.ts";

interface EmulateOptions extends InputOptions, PlanOptions {
  readonly clock: number;
  readonly index?: number;
  readonly limit?: number;
}

/** Clocks that are often asked for, in MHz: of many small chips, of the RP2040 and what it may be raised to. */
const CLOCKS = [64, 125, 133];
const INTERRUPTED = 130;
const RIGHT = { align: "right" } as const;

interface Result {
  readonly name: string;
  readonly run: EmulatedRun;
}

interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

function spread(values: readonly number[]): Spread {
  const [sum, min, max] = values.reduce(
    ([sum, min, max], value) => [sum + value, Math.min(min, value), Math.max(max, value)],
    [0, Number.POSITIVE_INFINITY, 0],
  ) as [number, number, number];
  return { mean: sum / values.length, min, max };
}

function parseClock(text: string): number {
  const clock = Number(text);
  if (/^[\d.]+$/.test(text) && clock >= 0.001 && clock <= 10_000) return clock;
  throw new InvalidArgumentError("It must be a number of MHz from 0.001 to 10000.");
}

/** Which inputs to run: from `--index`, which alone means that one, as many as `--limit`. */
function range({ index, limit }: EmulateOptions, count: number): { first: number; end: number } {
  const first = index ?? 0;
  if (first >= count) {
    const found = count === 1 ? "there is 1 input" : `there are ${count} inputs`;
    throw new ThumbnetError(`--index ${first}: ${found}, counted from 0`);
  }
  return { first, end: Math.min(count, first + (limit ?? (index === undefined ? count : 1))) };
}

async function runAll(emulator: Emulator, inputs: ModelInputs, options: EmulateOptions): Promise<Result[]> {
  const { first, end } = range(options, inputs.count);
  const results: Result[] = [];
  const progress = new Progress("emulate", end - first);
  let isInterrupted = false;
  const onInterrupt = () => {
    isInterrupted = true;
  };
  process.once("SIGINT", onInterrupt);
  try {
    for (let i = first; i < end && !isInterrupted; i++) {
      results.push({ name: inputs.name(i), run: emulator.run(await inputs.read(i)) });
      progress.step();
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    progress.end();
  }
  if (results.length < end - first) {
    note(`stopped after ${results.length} of ${end - first} inputs`);
    process.exitCode = INTERRUPTED;
  }
  return results;
}

/** What is told of a run of one or many inputs, in one place for text and JSON. */
function summarizeRuns(
  emulator: Emulator,
  operators: readonly OperatorSummary[],
  results: readonly Result[],
) {
  const runs = results.map(({ run }) => run);
  const { arena, scratch, static: variables, code, image } = emulator.memory;
  const stack = spread(runs.map(({ stackBytes }) => stackBytes)).max;
  return {
    operators: operators.map(({ index, name, shape, macs }) => {
      const cycles = spread(runs.map((run) => run.operators[index]!.cycles));
      return { index, name, shape, macs, whole: runs[0]!.operators[index]!.isWhole, cycles };
    }),
    macs: totalCost(operators, "macs"),
    cycles: spread(runs.map(({ cycles }) => cycles)),
    ram: { arena, scratch, stack, static: variables, sum: arena + scratch + stack + variables },
    flash: { code, image, sum: code + image },
    results: results.map(({ name, run }) => ({
      name,
      cycles: run.cycles,
      outputs: emulator.outputs.map((info, i) => {
        const values = run.outputs[i]!;
        const top = topClass(values);
        return { name: info.name, top_class: top, score: dequantize(values.slice(top, top + 1), info)[0]! };
      }),
    })),
  };
}

type Summary = ReturnType<typeof summarizeRuns>;

const perMac = (cycles: number, macs: number | null) => (macs ? (cycles / macs).toFixed(2) : "");

function formatOperators({ operators, macs, cycles, results }: Summary): string {
  const columns = [
    { title: "#", ...RIGHT },
    { title: "operator" },
    { title: "output" },
    { title: "MACs", ...RIGHT },
    { title: results.length > 1 ? "mean cycles" : "cycles", ...RIGHT },
    { title: "cycles/MAC", ...RIGHT },
  ];
  const rows = operators.map((op) => [
    `${op.index}`,
    op.name,
    formatShape(op.shape),
    formatOptional(op.macs),
    op.whole ? formatCount(op.cycles.mean) : "in slices",
    op.whole ? perMac(op.cycles.mean, op.macs) : "",
  ]);
  const total = ["", "total", "", formatOptional(macs), formatCount(cycles.mean), perMac(cycles.mean, macs)];
  return formatTable(columns, [...rows, total]);
}

const milliseconds = (cycles: number, clock: number) => cycles / clock / 1000;
const formatTime = (cycles: number, clock: number) =>
  `${milliseconds(cycles, clock).toPrecision(4)} ms at ${clock} MHz`;

function formatFigures({ cycles, ram, flash, results }: Summary, clock: number): string {
  const others = CLOCKS.filter((other) => other !== clock).map((other) => formatTime(cycles.mean, other));
  const range = `${formatCount(cycles.mean)} mean, ${formatCount(cycles.min)} to ${formatCount(cycles.max)}`;
  const parts = [
    ["arena", ram.arena],
    ["scratch", ram.scratch],
    ["stack", ram.stack],
    ["variables", ram.static],
  ] as const;
  return [
    ...(results.length > 1 ? [`cycles  ${range}, over ${results.length} inputs`] : []),
    `time    ${formatTime(cycles.mean, clock)} (${others.join(", ")})`,
    `RAM     ${formatCount(ram.sum)} bytes: ${parts.map(([name, bytes]) => `${name} ${formatCount(bytes)}`).join(", ")}`,
    `flash   ${formatCount(flash.sum)} bytes: code ${formatCount(flash.code)}, image ${formatCount(flash.image)}`,
  ].join("\n");
}

function formatOutputs({ results }: Summary): string {
  const showOutput = results[0]!.outputs.length > 1;
  const columns = [
    { title: "input" },
    ...(showOutput ? [{ title: "output" }] : []),
    { title: "class", ...RIGHT },
    { title: "score", ...RIGHT },
    { title: "cycles", ...RIGHT },
  ];
  const rows = results.flatMap(({ name, cycles, outputs }) =>
    outputs.map((output) => [
      name,
      ...(showOutput ? [output.name] : []),
      `${output.top_class}`,
      output.score.toPrecision(4),
      formatCount(cycles),
    ]),
  );
  return formatTable(columns, rows);
}

async function emulate(path: string, paths: readonly string[], options: EmulateOptions): Promise<void> {
  const bytes = await readWhole(path);
  const name = basename(path);
  const { operators, image, problem } = summarize(bytes, name, options.optimize);
  if (problem || !image) throw problem ?? new ThumbnetError(`${path}: cannot run`);
  const emulator = createEmulator(image, { name });
  const inputs = await openInputs(paths, emulator.inputs, options);
  const reading = inputReading(emulator, inputs, options);
  const results = await runAll(emulator, inputs, options);
  if (results.length === 0) return;
  const summary = summarizeRuns(emulator, operators, results);
  if (options.json) {
    const clocks = [...new Set([options.clock, ...CLOCKS])];
    printJson({
      model: name,
      chip: "rp2040",
      inputs: reading,
      count: results.length,
      ...summary,
      times: clocks.map((mhz) => ({ mhz, milliseconds: milliseconds(summary.cycles.mean, mhz) })),
    });
    return;
  }
  const title = `${printable(name)} on an emulated RP2040`;
  const figures = formatFigures(summary, options.clock);
  print([title, formatOperators(summary), figures, formatOutputs(summary)].join("\n\n"));
}

export function emulateCommand(): Command {
  return new Command("emulate")
    .description("Runs a model as C on an emulated RP2040 (Cortex-M0+): outputs, cycles, RAM and flash.")
    .argument("<model>", ".tflite file or thumbnet image")
    .argument("<input...>", "raw tensor files, pictures or folders")
    .option("--clock <MHz>", "clock of the chip to tell the time for", parseClock, 125)
    .option(
      "--index <n>",
      "the first input to run, counted from 0; without --limit only that one",
      parseWhole(0),
    )
    .option("--limit <n>", "how many inputs to run at most", parseWhole(1))
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(optimizeOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `${INPUT_HELP}

No Arm compiler is needed: a prebuilt firmware runs any model. Code is what a program of this model's kernels,
the runtime and the start-up code takes; main and the serial port of an exported example come on top.

${NOT_MODELLED}
With --optimize ram, operators may run in slices of rows: the cycles stand at the last of them.
What it costs to stop after every operator is not counted. Cycles depend a little on the data.`,
    )
    .action(emulate);
}
