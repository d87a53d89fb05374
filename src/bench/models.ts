/** Times whole models. */
import { imageOf } from "../plan/compile.ts";
import { readImage } from "../plan/image.ts";
import { withThresholds } from "../plan/thresholds.ts";
import type { Engine } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model, ProfileEntry } from "../runtime/model.ts";
import { heapBytesPerRun } from "./allocation.ts";
import { type CeilingResult, ceilingRuns } from "./ceilings.ts";
import { randomInput } from "./input.ts";
import { type LoadTimes, loadTimes } from "./load-times.ts";
import { measureRounds } from "./rounds.ts";

/** A model's line, or that of one of its early exits. */
export interface ModelResult {
  readonly key: string;
  readonly model: string;
  /** Every inference ends at this early exit; null: at the end of the network. */
  readonly exit: number | null;
  /** Up to there. */
  readonly macs: number | null;
  /** Of an exit: what share of the time it saves, by what share of the MACs. 1: time falls in proportion. */
  readonly saving_ratio: number | null;
  readonly engine: Engine;
  /** Of one inference. */
  readonly microseconds: number;
  readonly deviation_microseconds: number;
  readonly gmacs_per_second: number | null;
  /** From the file's bytes to the first output; see {@link LoadTimes}. Null for early exits. */
  readonly load_milliseconds: number | null;
  readonly first_load_milliseconds: number | null;
  /** What one inference leaves for the garbage collector. */
  readonly heap_bytes: number;
  readonly arena_bytes: number;
  readonly image_bytes: number;
  readonly operators: readonly (ProfileEntry & { readonly macs: number | null })[] | null;
}

export interface ModelBench {
  readonly ceilings: readonly CeilingResult[];
  readonly results: readonly ModelResult[];
}

interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly macs: number | null;
  /** By early exit: MACs up to it. */
  readonly exitMacs: readonly (number | null)[];
  readonly operators: readonly { readonly macs: number | null }[];
}

interface Subject {
  readonly source: Source;
  readonly exit: number | null;
  readonly model: Model;
  readonly inputs: (Int8Array | Uint8Array)[];
  readonly load: LoadTimes | null;
}

interface Options {
  /** Milliseconds for each model and engine. */
  readonly time: number;
  readonly profile: boolean;
  readonly rounds: number;
  readonly onRound?: () => void;
}

/** Times each model, and each of its early exits, on each engine, with the ceilings, in turns. */
export async function benchModels(
  sources: readonly Source[],
  engines: readonly Engine[],
  { time, profile, rounds, onRound }: Options,
): Promise<ModelBench> {
  const ceilings = await ceilingRuns();
  const subjects: Subject[] = [];
  for (const source of sources) {
    for (const engine of engines) {
      for (const exit of [null, ...source.exitMacs.keys()]) {
        // Before this process has anything to compile for a model of its own.
        const times = exit === null ? await loadTimes(source.bytes, engine) : null;
        const loaded = await load(endingAt(source, exit), engine);
        // Where values tie, an exit that goes by their margin never answers.
        if (exit !== null && loaded.model.run(loaded.inputs, {}).exits[0] !== exit) continue;
        subjects.push({ source, exit, ...loaded, load: times });
      }
    }
  }
  const runs = subjects.map(({ model, inputs, exit }) => {
    const input = inputs.length === 1 ? inputs[0]! : inputs;
    // The whole of a network with exits: whatever they say.
    return exit === null && model.exits.length > 0 ? () => model.runAll(input) : () => model.run(input);
  });
  const timings = await measureRounds([...ceilings.runs, ...runs], {
    time,
    rounds,
    ...(onRound ? { onRound } : {}),
  });
  const measured = ceilings.results(timings.splice(0, ceilings.runs.length));
  const results = subjects.map(({ source, exit, model, inputs, load }, i) => {
    const { microseconds, deviation } = timings[i]!;
    const macs = exit === null ? source.macs : source.exitMacs[exit]!;
    const whole = subjects.findIndex(
      (other) => other.source === source && other.exit === null && other.model.engine === model.engine,
    );
    const saved = 1 - microseconds / timings[whole]!.microseconds;
    return {
      key: `${source.name} ${model.engine}${exit === null ? "" : ` exit ${exit}`}`,
      model: source.name,
      exit,
      macs,
      saving_ratio: exit === null || macs === null || !source.macs ? null : saved / (1 - macs / source.macs),
      engine: model.engine,
      microseconds,
      deviation_microseconds: deviation,
      gmacs_per_second: macs === null ? null : macs / microseconds / 1000,
      load_milliseconds: load?.later ?? null,
      first_load_milliseconds: load?.first ?? null,
      heap_bytes: Math.round(heapBytesPerRun(runs[i]!)),
      arena_bytes: model.arenaBytes,
      image_bytes: model.imageBytes,
      operators:
        profile && exit === null
          ? model.profile(inputs).map((entry, n) => ({ ...entry, macs: source.operators[n]!.macs }))
          : null,
    };
  });
  for (const { model } of subjects) model.dispose();
  return { ceilings: measured, results };
}

/** The model with thresholds such that every input ends at an exit; null: at the end. */
function endingAt({ name, bytes, ...rest }: Source, exit: number | null): Source {
  if (exit === null) return { name, bytes, ...rest };
  const image = readImage(imageOf(bytes, name, { target: "wasm" }), name);
  const thresholds = image.exits.map((_, i) => (i === exit ? 1 / 256 : 1));
  return { name, bytes: withThresholds(image, name, thresholds), ...rest };
}

async function load({ name, bytes }: Source, engine: Engine) {
  const model = await loadModel(bytes, { name, engine });
  const inputs = model.inputs.map((info, n) => randomInput(info, n));
  return { model, inputs };
}
