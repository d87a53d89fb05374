/** Times kernels one by one: the runtime's own `run` on an image of one operator. */
import { ThumbnetError } from "../errors.ts";
import { graphCost } from "../graph/cost.ts";
import type { Graph, Tensor } from "../graph/graph.ts";
import { elementCount } from "../graph/shape.ts";
import { compileGraph } from "../plan/compile.ts";
import { readImage } from "../plan/image.ts";
import { type Engine, instantiate, type Kernels } from "../runtime/engine.ts";
import { Model, type RequantizationForms } from "../runtime/model.ts";
import { type CeilingResult, ceilingRuns, each, type Repeated, repeated } from "./ceilings.ts";
import { KERNEL_CASES, type KernelCase } from "./kernel-cases.ts";
import { layerGraph, layerInput } from "./layer.ts";
import { type CeilingsModule, importBench } from "./repository.ts";
import { measureRounds, pairedRatio, type Timing } from "./rounds.ts";

/** A kernel's line. */
export interface KernelResult {
  readonly key: string;
  readonly engine: Engine;
  readonly macs: number;
  /** Of the output. */
  readonly elements: number;
  readonly microseconds: number;
  readonly deviation_microseconds: number;
  /** Null where there is nothing to multiply. */
  readonly gmacs_per_second: number | null;
  readonly gelements_per_second: number;
  /** Channels by the way in which they are requantised. */
  readonly requantization: RequantizationForms;
  /** Speed by that of the bare multiply-accumulates; null without such a loop. */
  readonly ceiling_share: number | null;
  /** The same, where the ceiling takes the time of requantising the output too. */
  readonly requantized_ceiling_share: number | null;
  /** The case that this one is set beside. */
  readonly beside: string | null;
  /** Speed (MACs a second, zero weights counted) by that case's. */
  readonly speed_by_beside: number | null;
}

/** What calls cost that do nothing, in nanoseconds. */
export interface CallOverhead {
  /** `Model.run` of a model without work: checks, copies and the result. */
  readonly model_run: number;
  /** The runtime's `run` without records, from JavaScript. */
  readonly run: number;
  /** The same from the loop in WebAssembly that kernels are timed in. */
  readonly repeated_run: number;
}

export interface KernelBench {
  readonly ceilings: readonly CeilingResult[];
  readonly overhead: CallOverhead;
  readonly results: readonly KernelResult[];
}

interface Options {
  readonly engine: Engine;
  /** Milliseconds for each case. */
  readonly time: number;
  readonly filter?: RegExp;
  readonly rounds: number;
  readonly onRound?: () => void;
}

const WARM_UP_MS = 60;
const CALLS = 1000;

/** The cases that a filter leaves, with those that they are set beside. */
export function filterCases(filter: RegExp | undefined): readonly KernelCase[] {
  if (!filter) return KERNEL_CASES;
  const chosen = KERNEL_CASES.filter(({ name }) => filter.test(name));
  if (chosen.length === 0) throw new ThumbnetError(`no kernel case matches ${filter}`);
  return KERNEL_CASES.filter(
    (candidate) => chosen.includes(candidate) || chosen.some(({ beside }) => beside === candidate.name),
  );
}

/**
 * Times the kernel cases, the ceilings and bare calls, in turns.
 *
 * @throws ThumbnetError when the filter leaves nothing, or outside the repository
 */
export async function benchKernels({ engine, time, filter, rounds, onRound }: Options): Promise<KernelBench> {
  const cases = filterCases(filter);
  const { repeater } = await importBench<CeilingsModule>("ceilings/index.mjs", "--kernels");
  const ceilings = await ceilingRuns();
  const graphs = cases.map(({ layer }) => layerGraph(layer));
  const runs: (Repeated & Pick<KernelResult, "requantization">)[] = [];
  for (const graph of graphs) {
    const { kernels, call, requantization } = await openLayer(graph, engine);
    const repeat = await repeater(kernels.run);
    runs.push({ ...repeated((times) => repeat(times, ...call)), requantization });
  }
  const calls = await bareCalls(engine, repeater);
  const all = [...ceilings.runs, ...calls.map(({ run }) => run), ...runs.map(({ run }) => run)];
  const timings = await measureRounds(all, {
    time,
    warmUp: WARM_UP_MS,
    rounds,
    ...(onRound ? { onRound } : {}),
  });
  const measured = ceilings.results(timings.splice(0, ceilings.runs.length));
  const [modelRun, run, repeatedRun] = calls.map(
    ({ times }) => 1000 * each(timings.shift()!, times).microseconds,
  );
  const own = timings.map((timed, i) => each(timed, runs[i]!.times));
  return {
    ceilings: measured,
    overhead: { model_run: modelRun!, run: run!, repeated_run: repeatedRun! },
    results: cases.map((kernelCase, i) => {
      const beside = cases.findIndex(({ name }) => name === kernelCase.beside);
      const { requantization } = runs[i]!;
      const result = { ...kernelResult(kernelCase, graphs[i]!, own[i]!, engine, measured), requantization };
      if (beside < 0) return result;
      const ratio = pairedRatio(own[beside]!, own[i]!);
      const { macs } = graphCost(graphs[beside]!);
      return { ...result, beside: kernelCase.beside!, speed_by_beside: (ratio * result.macs) / macs };
    }),
  };
}

/** The kernels with a graph loaded and run once, and what `run` was called with. */
async function openLayer(graph: Graph, engine: Engine) {
  const kernels = await instantiate(engine);
  let call: number[] = [];
  const watched: Kernels = {
    ...kernels,
    run(...values) {
      call = values;
      kernels.run(...values);
    },
  };
  const model = new Model(readImage(compileGraph(graph), graph.name), watched, engine, graph.name);
  model.run(model.inputs.map(({ elements }, i) => layerInput(elements, i)));
  return { kernels, call, requantization: model.requantization };
}

/** Calls without work: of `Model.run`, of the runtime's `run`, and of that from WebAssembly. */
async function bareCalls(engine: Engine, repeater: CeilingsModule["repeater"]): Promise<Repeated[]> {
  const quantization = { scales: [1], zeroPoints: [0], axis: 0 };
  const same: Tensor = { name: "in", shape: [1, 16], dtype: "int8", quantization, data: null };
  const graph: Graph = {
    name: "nothing",
    tensors: [same, { ...same, name: "out", shape: [16] }],
    operators: [{ kind: "RESHAPE", inputs: [0], outputs: [1], options: {} }],
    inputs: [0],
    outputs: [1],
  };
  const image = readImage(compileGraph(graph), graph.name);
  const model = new Model(image, await instantiate(engine), engine, graph.name);
  const input = new Int8Array(16);
  const { kernels, call } = await openLayer(graph, engine);
  const [imageAt = 0, arena = 0, workspace = 0] = call;
  const repeat = await repeater(kernels.run);
  return [
    repeated((times) => {
      for (let i = 0; i < times; i++) model.run(input);
    }),
    repeated((times) => {
      for (let i = 0; i < times; i++) kernels.run(imageAt, arena, workspace, 0, 0);
    }),
    repeated((times) => repeat(times * CALLS, imageAt, arena, workspace, 0, 0)),
  ].map((one, i) => (i === 2 ? { ...one, times: one.times * CALLS } : one));
}

function kernelResult(
  { name, ceiling }: KernelCase,
  graph: Graph,
  { microseconds, deviation }: Timing,
  engine: Engine,
  ceilings: readonly CeilingResult[],
): Omit<KernelResult, "requantization"> {
  const { macs } = graphCost(graph);
  const elements = elementCount(graph.tensors[graph.outputs[0]!]!.shape);
  // The ceilings are SIMD loops: they say nothing of the scalar build.
  const speed = (wanted: string | null) =>
    engine === "simd" ? (ceilings.find((one) => one.name === wanted)?.giga_per_second ?? null) : null;
  const [arithmetic, requantization] = [speed(ceiling), speed("requantize float")];
  const least = arithmetic === null ? null : macs / arithmetic / 1000;
  const share = (bound: number | null) => (bound === null ? null : bound / microseconds);
  return {
    key: name,
    engine,
    macs,
    elements,
    microseconds,
    deviation_microseconds: deviation,
    gmacs_per_second: macs === 0 ? null : macs / microseconds / 1000,
    gelements_per_second: elements / microseconds / 1000,
    ceiling_share: share(least),
    requantized_ceiling_share: share(
      least === null || requantization === null ? null : least + elements / requantization / 1000,
    ),
    beside: null,
    speed_by_beside: null,
  };
}
