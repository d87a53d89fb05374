import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import {
  type BenchMode,
  compareMeasurements,
  type Machine,
  type Measurement,
  readMeasurement,
  withMeasurement,
} from "../bench/compare.ts";
import { benchKernels } from "../bench/kernels.ts";
import { benchModels } from "../bench/models.ts";
import { comparePeers, type PeerBench, peersModule } from "../bench/peers.ts";
import { runNode } from "../bench/process.ts";
import { ROUNDS } from "../bench/rounds.ts";
import {
  formatCeilings,
  formatComparison,
  formatKernels,
  formatModels,
  formatPeers,
  formatProfile,
} from "../bench/tables.ts";
import { checkTarget, isFile, readText, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { formatJson } from "../report/json.ts";
import { withProgress } from "../report/progress.ts";
import { type Engine, supportsSimd } from "../runtime/engine.ts";
import { type BenchModel, defaultModels, openBenchModel } from "./bench-model.ts";
import {
  type EngineOptions,
  engineOption,
  jsonOption,
  note,
  parseWhole,
  print,
  printJson,
} from "./common.ts";

interface BenchOptions extends EngineOptions {
  readonly time?: number;
  readonly peers?: boolean;
  readonly kernels?: boolean;
  readonly filter?: RegExp;
  readonly profile?: boolean;
  readonly save?: string;
  readonly compare?: string;
}

/** Milliseconds for each thing timed. */
const TIMES: Readonly<Record<BenchMode, number>> = { models: 1000, peers: 1000, kernels: 240 };

interface Outcome {
  readonly measurement: Omit<Measurement, "mode" | "machine">;
  /** For the terminal. */
  readonly text: string;
}

interface Task {
  readonly options: BenchOptions;
  readonly time: number;
  readonly engine: Engine;
  readonly models: readonly BenchModel[];
  readonly paths: readonly string[];
}

function machine(): Machine {
  const { model = "unknown" } = cpus()[0] ?? {};
  const { version, versions, platform, arch } = process;
  return {
    cpu: `${model}, ${cpus().length} cores`,
    node: version,
    v8: versions.v8,
    platform: `${platform} ${arch}`,
  };
}

async function runModels({ models, options, time }: Task): Promise<Outcome> {
  const engines: Engine[] = options.engine
    ? [options.engine]
    : supportsSimd()
      ? ["simd", "scalar"]
      : ["scalar"];
  const measurement = await withProgress("bench", ROUNDS, (onRound) =>
    benchModels(models, engines, { time, profile: options.profile ?? false, rounds: ROUNDS, onRound }),
  );
  const tables = [formatModels(measurement.results)];
  if (options.profile) {
    for (const { name, operators } of models) {
      const rows = measurement.results.filter(({ model, exit }) => model === name && exit === null);
      tables.push(formatProfile(name, operators, rows));
    }
  }
  return { measurement, text: tables.join("\n\n") };
}

async function runPeers(task: Task): Promise<Outcome> {
  const { models, engine, time } = task;
  for (const { name, inputs } of models) {
    if (inputs.length !== 1 || inputs[0]!.dtype !== "int8")
      throw new ThumbnetError(`${name}: --peers compares models of one int8 input`);
  }
  const measurement =
    models.length > 1
      ? await runPeersApart(task)
      : await withProgress("bench", ROUNDS, async (onRound) =>
          comparePeers(await peersModule(), models[0]!, {
            engine,
            time,
            rounds: ROUNDS,
            warn: note,
            onRound,
          }),
        );
  return { measurement, text: formatPeers(measurement.results) };
}

/**
 * A process for each model: runtimes that share JavaScript between models, as emscripten's do, get slower with
 * every further one, by up to a third.
 */
async function runPeersApart({ paths, engine, time }: Task): Promise<PeerBench> {
  const parts: PeerBench[] = [];
  const notes = new Set<string>();
  await withProgress("bench", paths.length, async (onRound) => {
    for (const path of paths) {
      const main = fileURLToPath(new URL("./main.js", import.meta.url));
      const options = ["--peers", "--json", "--time", `${time}`, "--engine", engine];
      const { stdout, stderr } = await runNode([main, "bench", ...options, "--", path]);
      for (const line of stderr.split("\n")) notes.add(line);
      parts.push(JSON.parse(stdout));
      onRound();
    }
  });
  for (const line of notes) if (line) note(line);
  return { ceilings: parts[0]!.ceilings, results: parts.flatMap(({ results }) => results) };
}

async function runKernels({ engine, time, options: { filter } }: Task): Promise<Outcome> {
  const measurement = await withProgress("bench", ROUNDS, (onRound) =>
    benchKernels({ engine, time, rounds: ROUNDS, onRound, ...(filter ? { filter } : {}) }),
  );
  const { ceilings, results, overhead } = measurement;
  return { measurement, text: `${formatCeilings(ceilings)}\n\n${formatKernels(results, overhead)}` };
}

const MODES: Readonly<Record<BenchMode, (task: Task) => Promise<Outcome>>> = {
  models: runModels,
  peers: runPeers,
  kernels: runKernels,
};

async function modelPaths(mode: BenchMode, given: readonly string[]): Promise<readonly string[]> {
  if (given.length > 0) return given;
  const own = await defaultModels();
  return mode === "peers" ? [...own, ...(await peersModule()).referenceModels()] : own;
}

async function bench(given: readonly string[], options: BenchOptions): Promise<void> {
  if (options.peers && options.kernels) throw new ThumbnetError("--peers or --kernels, not both");
  if (options.filter && !options.kernels) throw new ThumbnetError("--filter chooses among --kernels");
  if (options.kernels && given.length > 0) throw new ThumbnetError("--kernels takes no MODEL");
  const mode = options.peers ? "peers" : options.kernels ? "kernels" : "models";
  // What can go wrong with files goes wrong before minutes are spent.
  const old = options.compare
    ? readMeasurement(await readText(options.compare), options.compare, mode)
    : undefined;
  if (options.save) await checkTarget(options.save);
  const paths = mode === "kernels" ? [] : await modelPaths(mode, given);
  const models: BenchModel[] = [];
  for (const path of paths) models.push(await openBenchModel(path));

  const time = options.time ?? TIMES[mode];
  const engine = options.engine ?? (supportsSimd() ? "simd" : "scalar");
  const { measurement, text } = await MODES[mode]({ options, time, engine, models, paths });
  const fresh = { mode, machine: machine(), time_ms: time, ...measurement } as const;
  const comparison = old && compareMeasurements(old, fresh);
  if (options.save) await save(options.save, fresh);
  if (options.json) return printJson(comparison ? { ...fresh, comparison } : fresh);
  print(comparison ? `${text}\n\n${formatComparison(comparison)}` : text);
}

async function save(path: string, fresh: Measurement): Promise<void> {
  const text = (await isFile(path)) ? await readText(path) : null;
  await writeWhole(path, formatJson(withMeasurement(text, path, fresh)));
}

function parseFilter(text: string): RegExp {
  try {
    return new RegExp(text, "i");
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

export function benchCommand(): Command {
  return new Command("bench")
    .description("Measures how fast models, or kernels, run, on seeded random inputs.")
    .argument("[model...]", ".tflite files or thumbnet images; default: the models of the repository")
    .option(
      "--time <ms>",
      "time to measure each model, runtime or kernel for, in milliseconds; default: 1000, kernels 240",
      parseWhole(1),
    )
    .option("--profile", "time each operator too")
    .option("--peers", "compare with other runtimes (bench/peers of the repository, installed there)")
    .option("--kernels", "time kernels one by one, beside what the machine can do (in the repository)")
    .option("--filter <re>", "with --kernels: only those whose name matches", parseFilter)
    .option("--save <file>", "put the measurement into a baseline, in place of the last of its kind")
    .option("--compare <file>", "set the times beside those of a baseline, or of what --json printed")
    .addOption(engineOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Everything that is measured takes turns, ${ROUNDS} rounds of them, so that a noisy machine hits all. Times are medians over
rounds of the rounds' medians; ± is the standard deviation of a round, from the median absolute deviation. Load is
the time from a file's bytes to the first output, the WebAssembly compiled before: the median of the 4th to 12th load
of a process, and the first, where V8 has run nothing of the code; medians over 5 processes. Heap bytes are what one
inference leaves to be collected.
Early exits are timed too, with thresholds such that every inference ends there; time/MACs saved is the share of the
whole network's time that is saved by the share of its MACs.

--peers: ratios are medians over rounds of a peer's time by thumbnet's. Equal outputs are those with every byte as the
Cortex-M0 has it, where the inputs are known (the reference models beside the repository), else as thumbnet has it.

--kernels: the runtime's own run on an image of one operator. The ceilings are loops of bare arithmetic; "requantised"
takes the time to requantise the outputs into the ceiling; "float" is the share of channels requantised that way.

--compare: what the ceilings take longer than then is the machine's and is taken out. FASTER and SLOWER are ratios
further from 1 than three standard deviations of both runs, or than 4 %, and than the ceilings disagree.`,
    )
    .action(bench);
}
