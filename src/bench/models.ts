/** Times whole models. */
import type { Engine } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model, ProfileEntry } from "../runtime/model.ts";
import { heapBytesPerRun } from "./allocation.ts";
import { type CeilingResult, ceilingRuns } from "./ceilings.ts";
import { randomInput } from "./input.ts";
import { measureRounds, median } from "./rounds.ts";

/** A model's line. */
export interface ModelResult {
  readonly key: string;
  readonly model: string;
  readonly macs: number | null;
  readonly engine: Engine;
  /** Of one inference. */
  readonly microseconds: number;
  readonly deviation_microseconds: number;
  readonly gmacs_per_second: number | null;
  /** From the file's bytes to the first output, the WebAssembly compiled before. */
  readonly load_milliseconds: number;
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
  readonly operators: readonly { readonly macs: number | null }[];
}

interface Options {
  /** Milliseconds for each model and engine. */
  readonly time: number;
  readonly profile: boolean;
  readonly rounds: number;
  readonly onRound?: () => void;
}

const LOADS = 9;

/** Times each model on each engine, with the ceilings, in turns. */
export async function benchModels(
  sources: readonly Source[],
  engines: readonly Engine[],
  { time, profile, rounds, onRound }: Options,
): Promise<ModelBench> {
  const ceilings = await ceilingRuns();
  const subjects = [];
  for (const source of sources) {
    for (const engine of engines) subjects.push({ source, ...(await load(source, engine)) });
  }
  const runs = subjects.map(
    ({ model, inputs }) =>
      () =>
        model.runAll(inputs),
  );
  const timings = await measureRounds([...ceilings.runs, ...runs], {
    time,
    rounds,
    ...(onRound ? { onRound } : {}),
  });
  const measured = ceilings.results(timings.splice(0, ceilings.runs.length));
  const results = subjects.map(({ source, model, inputs, loadMilliseconds }, i) => {
    const { microseconds, deviation } = timings[i]!;
    return {
      key: `${source.name} ${model.engine}`,
      model: source.name,
      macs: source.macs,
      engine: model.engine,
      microseconds,
      deviation_microseconds: deviation,
      gmacs_per_second: source.macs === null ? null : source.macs / microseconds / 1000,
      load_milliseconds: loadMilliseconds,
      heap_bytes: Math.round(heapBytesPerRun(runs[i]!)),
      arena_bytes: model.arenaBytes,
      image_bytes: model.imageBytes,
      operators: profile
        ? model.profile(inputs).map((entry, n) => ({ ...entry, macs: source.operators[n]!.macs }))
        : null,
    };
  });
  for (const { model } of subjects) model.dispose();
  return { ceilings: measured, results };
}

async function load({ name, bytes }: Source, engine: Engine) {
  const times: number[] = [];
  let model: Model | undefined;
  let inputs: (Int8Array | Uint8Array)[] = [];
  for (let i = 0; i < LOADS; i++) {
    model?.dispose();
    const start = performance.now();
    model = await loadModel(bytes, { name, engine });
    const loaded = performance.now();
    inputs = model.inputs.map((info, n) => randomInput(info, n));
    const ready = performance.now();
    model.runAll(inputs);
    times.push(loaded - start + performance.now() - ready);
  }
  return { model: model!, inputs, loadMilliseconds: median(times) };
}
