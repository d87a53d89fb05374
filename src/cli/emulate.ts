import { basename } from "node:path";
import { Command } from "commander";
import { readWhole } from "../data/files.ts";
import { type ModelInputs, openInputs } from "../data/inputs.ts";
import { topClass } from "../data/top-class.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { NOT_MODELLED } from "../mcu/cycles.ts";
import { createEmulator, type EmulatedRun, type Emulator } from "../mcu/emulator.ts";
import { FLASH_CACHE, INSTRUCTION_KINDS, type Observed } from "../mcu/observe.ts";
import { Progress } from "../report/progress.ts";
import { type OperatorSummary, summarize, totalCost } from "../report/summary.ts";
import { formatCount, formatOptional, formatPercent, formatTable, printable } from "../report/table.ts";
import { dequantize } from "../runtime/tensors.ts";
import {
  clockOption,
  type ExitOptions,
  exitThresholdOption,
  frontEndOption,
  INPUT_HELP,
  type InputOptions,
  inputReading,
  inputTypeOption,
  jsonOption,
  milliseconds,
  note,
  optimizeOption,
  type PlanOptions,
  parseWhole,
  print,
  printJson,
  withExitOptions,
} from "./common.ts";

interface EmulateOptions extends InputOptions, PlanOptions, ExitOptions {
  readonly clock: number;
  readonly index?: number;
  readonly limit?: number;
  readonly flashCache?: boolean;
  readonly byInstruction?: boolean;
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

/** Means over runs: misses of the flash cache, the cycles with them, and cycles by kind of instruction. */
function summarizeObserved(cycles: number, all: readonly (Observed | undefined)[]) {
  if (all[0] === undefined) return {};
  const mean = (value: (observed: Observed) => number) =>
    spread(all.map((observed) => value(observed!))).mean;
  const misses = mean((observed) => observed.misses);
  return {
    flash_cache: { misses, cycles: cycles + misses * FLASH_CACHE.missCycles },
    by_instruction: Object.fromEntries(
      INSTRUCTION_KINDS.map((kind) => [kind, mean(({ kinds }) => kinds[kind])] as const),
    ),
  };
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
  const cycles = spread(runs.map((run) => run.cycles));
  return {
    operators: operators.map(({ index, name, shape, macs }) => {
      // Behind an early exit that answers nothing runs: an operator's figures are of the inputs that came to it.
      const own = runs.flatMap((run) => run.operators[index] ?? []);
      const cycles = spread(own.length === 0 ? [0] : own.map((op) => op.cycles));
      const observed = summarizeObserved(
        cycles.mean,
        own.map((op) => op.observed),
      );
      const whole = own.every(({ isWhole }) => isWhole);
      return { index, name, shape, macs, runs: own.length, whole, cycles, ...observed };
    }),
    macs: totalCost(operators, "macs"),
    cycles,
    ...summarizeObserved(
      cycles.mean,
      runs.map(({ observed }) => observed),
    ),
    ram: { arena, scratch, stack, static: variables, sum: arena + scratch + stack + variables },
    flash: { code, image, sum: code + image },
    exits: emulator.exits.length,
    results: results.map(({ name, run }) => ({
      name,
      cycles: run.cycles,
      ...exitOf(emulator, run),
      outputs: emulator.outputs.flatMap((info, i) => {
        const values = run.outputs[i]!;
        if (values.length === 0) return [];
        const top = topClass(values);
        return { name: info.name, top_class: top, score: dequantize(values.slice(top, top + 1), info)[0]! };
      }),
    })),
  };
}

/** The early exit that answered, null for the final output; nothing where the model has none. */
function exitOf({ exits }: Emulator, { answered }: EmulatedRun): { exit?: number | null } {
  if (exits.length === 0) return {};
  const exit = exits.findIndex(({ output }) => output === answered);
  return { exit: exit < 0 ? null : exit };
}

type Summary = ReturnType<typeof summarizeRuns>;

const perMac = (cycles: number, macs: number | null) => (macs ? (cycles / macs).toFixed(2) : "");

type Cached = ReturnType<typeof summarizeObserved>;

/** Two more columns of the operators' table: misses, and cycles with what they cost. */
function cacheCells({ flash_cache }: Cached, macs: number | null): string[] {
  if (!flash_cache) return [];
  const { misses, cycles } = flash_cache;
  return [formatCount(misses), formatCount(cycles), perMac(cycles, macs)];
}

function formatOperators(summary: Summary, withCache: boolean): string {
  const { operators, macs, cycles, results, exits } = summary;
  const cached = (cells: Cached, own: number | null) => (withCache ? cacheCells(cells, own) : []);
  const columns = [
    { title: "#", ...RIGHT },
    { title: "operator" },
    { title: "output" },
    { title: "MACs", ...RIGHT },
    ...(exits > 0 ? [{ title: "inputs", ...RIGHT }] : []),
    { title: results.length > 1 ? "mean cycles" : "cycles", ...RIGHT },
    { title: "cycles/MAC", ...RIGHT },
    ...(withCache ? ["cache misses", "with cache", "cycles/MAC"] : []).map((title) => ({ title, ...RIGHT })),
  ];
  const rows = operators.map((op) => [
    `${op.index}`,
    op.name,
    formatShape(op.shape),
    formatOptional(op.macs),
    ...(exits > 0 ? [formatCount(op.runs)] : []),
    op.whole ? formatCount(op.cycles.mean) : "in slices",
    op.whole ? perMac(op.cycles.mean, op.macs) : "",
    ...(op.whole ? cached(op, op.macs) : []),
  ]);
  const total = [
    ...["", "total", "", formatOptional(macs)],
    ...(exits > 0 ? [formatCount(results.length)] : []),
    ...[formatCount(cycles.mean), perMac(cycles.mean, macs)],
  ];
  return formatTable(columns, [...rows, [...total, ...cached(summary, macs)]]);
}

/** By operator: what share of its cycles goes to which instructions. */
function formatInstructions({ operators, by_instruction, cycles }: Summary): string {
  const columns = [
    { title: "#", ...RIGHT },
    { title: "operator" },
    { title: "cycles", ...RIGHT },
    ...INSTRUCTION_KINDS.map((title) => ({ title, ...RIGHT })),
  ];
  const shares = (kinds: Cached["by_instruction"], all: number) =>
    INSTRUCTION_KINDS.map((kind) => formatPercent(kinds![kind]! / all));
  const rows = operators
    .filter((op) => op.cycles.mean > 0)
    .map((op) => [
      `${op.index}`,
      op.name,
      formatCount(op.cycles.mean),
      ...shares(op.by_instruction, op.cycles.mean),
    ]);
  const total = ["", "total", formatCount(cycles.mean), ...shares(by_instruction, cycles.mean)];
  return formatTable(columns, [...rows, total]);
}

const formatTime = (cycles: number, clock: number) =>
  `${milliseconds(cycles, clock).toPrecision(4)} ms at ${clock} MHz`;

function formatFigures(
  { cycles, flash_cache, ram, flash, results }: Summary,
  clock: number,
  withCache: boolean,
): string {
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
    ...(withCache && flash_cache
      ? [`        ${formatTime(flash_cache.cycles, clock)} with the flash cache`]
      : []),
    `RAM     ${formatCount(ram.sum)} bytes: ${parts.map(([name, bytes]) => `${name} ${formatCount(bytes)}`).join(", ")}`,
    `flash   ${formatCount(flash.sum)} bytes: code ${formatCount(flash.code)}, image ${formatCount(flash.image)}`,
  ].join("\n");
}

function formatOutputs({ results, exits }: Summary): string {
  const showOutput = results[0]!.outputs.length > 1;
  const columns = [
    { title: "input" },
    ...(exits > 0 ? [{ title: "exit" }] : []),
    ...(showOutput ? [{ title: "output" }] : []),
    { title: "class", ...RIGHT },
    { title: "score", ...RIGHT },
    { title: "cycles", ...RIGHT },
  ];
  const rows = results.flatMap(({ name, cycles, exit, outputs }) =>
    outputs.map((output) => [
      name,
      ...(exits > 0 ? [exit === null ? "final" : `${exit}`] : []),
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
  const { flashCache = false, byInstruction = false } = options;
  const emulator = createEmulator(withExitOptions(image, name, options), {
    name,
    observe: flashCache || byInstruction,
  });
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
  const parts = [title, formatOperators(summary, flashCache)];
  if (byInstruction) parts.push(formatInstructions(summary));
  parts.push(formatFigures(summary, options.clock, flashCache), formatOutputs(summary));
  print(parts.join("\n\n"));
}

export function emulateCommand(): Command {
  return new Command("emulate")
    .description("Runs a model as C on an emulated RP2040 (Cortex-M0+): outputs, cycles, RAM and flash.")
    .argument("<model>", ".tflite file or thumbnet image")
    .argument("<input...>", "raw tensor files, pictures or folders")
    .addOption(clockOption())
    .option(
      "--index <n>",
      "the first input to run, counted from 0; without --limit only that one",
      parseWhole(0),
    )
    .option("--limit <n>", "how many inputs to run at most", parseWhole(1))
    .option(
      "--flash-cache",
      "simulate the cache between chip and flash, and show cycles with its misses beside",
    )
    .option(
      "--by-instruction",
      "show what share of cycles goes to multiplying, loading, storing and branching",
    )
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(optimizeOption())
    .addOption(exitThresholdOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `${INPUT_HELP}

No Arm compiler is needed: a prebuilt firmware runs any model. Code is what a program of this model's kernels,
the runtime and the start-up code takes; main and the serial port of an exported example come on top.

${NOT_MODELLED}
With --optimize ram, operators may run in slices of rows: the cycles stand at the last of them.

--flash-cache: ${FLASH_CACHE.bytes / 1024} KB, ${FLASH_CACHE.ways} ways, lines of ${FLASH_CACHE.lineBytes} bytes, empty at the start, ${FLASH_CACHE.missCycles} cycles a miss; instructions
and data that lie in flash go through it. It takes some three times as long.

What it costs to stop after every operator is not counted. Cycles depend a little on the data.`,
    )
    .action(emulate);
}
