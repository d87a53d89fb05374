import { cpus } from "node:os";
import { Command } from "commander";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { Progress } from "../report/progress.ts";
import { formatCount, formatOptional, formatPercent, formatTable } from "../report/table.ts";
import { type Engine, supportsSimd } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model, ProfileEntry } from "../runtime/model.ts";
import { type BenchModel, defaultModels, openBenchModel, randomInput, WARM_UP_MS } from "./bench-model.ts";
import {
  type EngineOptions,
  engineOption,
  jsonOption,
  note,
  parseWhole,
  print,
  printJson,
} from "./common.ts";
import { comparePeers, formatComparison } from "./peers.ts";

interface BenchOptions extends EngineOptions {
  readonly time: number;
  readonly peers?: boolean;
  readonly profile?: boolean;
}

interface Measurement {
  readonly engine: Engine;
  /** Median time of one inference. */
  readonly microseconds: number;
  /** Median absolute deviation from it. */
  readonly deviation: number;
  readonly samples: number;
  readonly arenaBytes: number;
  readonly imageBytes: number;
  readonly profile: readonly ProfileEntry[] | null;
}

const RIGHT = { align: "right" } as const;

/** Billions of multiply-accumulates a second. */
function gigaMacs(macs: number | null, microseconds: number): number | null {
  return macs === null || microseconds === 0 ? null : macs / microseconds / 1000;
}

const formatGigaMacs = (value: number | null) => (value === null ? "-" : value.toFixed(2));

async function measure(model: Model, { time, profile }: BenchOptions): Promise<Measurement> {
  const { Bench } = await import("tinybench");
  const inputs = model.inputs.map((info, i) => randomInput(info, i));
  const bench = new Bench({ time, warmupTime: WARM_UP_MS, throws: true });
  bench.add("run", () => {
    model.runAll(inputs);
  });
  const [task] = await bench.run();
  const result = task!.result;
  if (result.state !== "completed") throw new ThumbnetError(`the measurement ended as ${result.state}`);
  const { p50, mad, samplesCount } = result.latency;
  return {
    engine: model.engine,
    microseconds: 1000 * p50,
    deviation: 1000 * mad,
    samples: samplesCount,
    arenaBytes: model.arenaBytes,
    imageBytes: model.imageBytes,
    profile: profile ? model.profile(inputs) : null,
  };
}

function formatMeasurements(rows: readonly { model: BenchModel; measured: Measurement }[]): string {
  const columns = [
    { title: "model" },
    { title: "MACs", ...RIGHT },
    { title: "engine" },
    { title: "median µs", ...RIGHT },
    { title: "±", ...RIGHT },
    { title: "GMAC/s", ...RIGHT },
    { title: "arena", ...RIGHT },
    { title: "image", ...RIGHT },
  ];
  const cells = rows.map(({ model, measured }) => [
    model.name,
    formatOptional(model.macs),
    measured.engine,
    measured.microseconds.toFixed(1),
    formatPercent(measured.deviation / measured.microseconds),
    formatGigaMacs(gigaMacs(model.macs, measured.microseconds)),
    formatCount(measured.arenaBytes),
    formatCount(measured.imageBytes),
  ]);
  return formatTable(columns, cells);
}

/** One table a model: a line for each operator, columns for each engine. */
function formatProfile(model: BenchModel, measured: readonly Measurement[]): string {
  const columns = [
    { title: "#", ...RIGHT },
    { title: "operator" },
    { title: "output" },
    { title: "MACs", ...RIGHT },
    ...measured.flatMap(({ engine }) => [
      { title: `${engine} µs`, ...RIGHT },
      { title: "share", ...RIGHT },
      { title: "GMAC/s", ...RIGHT },
    ]),
  ];
  const sums = measured.map(({ profile }) =>
    profile!.reduce((sum, { microseconds }) => sum + microseconds, 0),
  );
  const rows = model.operators.map(({ index, name, shape, macs }) => [
    `${index}`,
    name,
    formatShape(shape),
    formatOptional(macs),
    ...measured.flatMap(({ profile }, m) => {
      const { microseconds } = profile![index]!;
      const speed = macs ? gigaMacs(macs, microseconds) : null;
      return [microseconds.toFixed(1), formatPercent(microseconds / sums[m]!), formatGigaMacs(speed)];
    }),
  ]);
  return `${model.name}, by operator\n\n${formatTable(columns, rows)}`;
}

function jsonMeasurement(model: BenchModel, measured: Measurement) {
  return {
    model: model.name,
    macs: model.macs,
    engine: measured.engine,
    microseconds: measured.microseconds,
    deviation_microseconds: measured.deviation,
    samples: measured.samples,
    gmacs_per_second: gigaMacs(model.macs, measured.microseconds),
    arena_bytes: measured.arenaBytes,
    image_bytes: measured.imageBytes,
    operators: measured.profile?.map((entry, i) => ({ ...entry, macs: model.operators[i]!.macs })) ?? null,
  };
}

function machine() {
  return { node: process.version, cpu: cpus()[0]?.model ?? "unknown" };
}

async function benchPeers(models: readonly BenchModel[], options: BenchOptions): Promise<void> {
  const comparison = await comparePeers(models, options.engine, options.time, note);
  if (options.json) printJson({ ...machine(), time_ms: options.time, results: comparison });
  else print(formatComparison(comparison));
}

async function bench(paths: readonly string[], options: BenchOptions): Promise<void> {
  const models: BenchModel[] = [];
  for (const path of paths.length > 0 ? paths : await defaultModels())
    models.push(await openBenchModel(path));
  if (options.peers) return benchPeers(models, options);

  const engines: Engine[] = options.engine
    ? [options.engine]
    : supportsSimd()
      ? ["simd", "scalar"]
      : ["scalar"];
  const rows: { model: BenchModel; measured: Measurement }[] = [];
  const progress = new Progress("bench", models.length * engines.length);
  try {
    for (const model of models) {
      for (const engine of engines) {
        const loaded = await loadModel(model.bytes, { name: model.name, engine });
        rows.push({ model, measured: await measure(loaded, options) });
        loaded.dispose();
        progress.step();
      }
    }
  } finally {
    progress.end();
  }
  if (options.json) {
    const results = rows.map(({ model, measured }) => jsonMeasurement(model, measured));
    printJson({ ...machine(), time_ms: options.time, results });
    return;
  }
  print(formatMeasurements(rows));
  if (!options.profile) return;
  for (const model of models) {
    const measured = rows.filter((row) => row.model === model).map((row) => row.measured);
    print(`\n${formatProfile(model, measured)}`);
  }
}

export function benchCommand(): Command {
  return new Command("bench")
    .description("Measures how fast models run, on seeded random inputs.")
    .argument("[model...]", ".tflite files or thumbnet images; default: the models of the repository")
    .option("--time <ms>", "time to measure each model and engine for, in milliseconds", parseWhole(1), 1000)
    .option("--profile", "time each operator too")
    .option("--peers", "compare with other runtimes (bench/peers of the repository, installed there)")
    .addOption(engineOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nTimes are medians; ± is the median absolute deviation. With --peers thumbnet and each peer take turns, so\n" +
        "that a noisy machine hits all; the ratio is the median over rounds of peer time to thumbnet time.",
    )
    .action(bench);
}
