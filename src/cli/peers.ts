/** thumbnet against other runtimes, in the same process and in turns. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ThumbnetError } from "../errors.ts";
import { Progress } from "../report/progress.ts";
import { formatOptional, formatTable } from "../report/table.ts";
import type { Engine } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model } from "../runtime/model.ts";
import { type BenchModel, randomInput, WARM_UP_MS } from "./bench-model.ts";
import { storedBytes } from "./common.ts";

/** As `bench/peers/index.mjs` has them. */
interface PeerModel {
  /** One inference: the input as int8, NHWC, to the outputs, one after the other. */
  run(input: Int8Array): Promise<Int8Array> | Int8Array;
  dispose(): Promise<void> | void;
}

interface Peer {
  readonly name: string;
  readonly version: string;
  /** Gzipped script and WebAssembly that a page must load; null: not for pages. */
  readonly bytes: number | null;
  load(tflite: Uint8Array, name: string): Promise<PeerModel>;
}

interface PeersModule {
  peers(onMissing: (name: string, reason: string) => void): Promise<Peer[]>;
}

/** A line of the comparison. */
export interface PeerResult {
  readonly model: string;
  readonly runtime: string;
  /** Median of the rounds' medians; null where the runtime cannot run the model. */
  readonly microseconds: number | null;
  /** Its time by thumbnet's: the median of the rounds' ratios. */
  readonly ratio: number | null;
  /** Of the random inputs, those with the same outputs as thumbnet, every byte. */
  readonly equal_outputs: number | null;
  readonly inputs: number;
  readonly gzipped_bytes: number | null;
  readonly problem: string | null;
}

const ROUNDS = 12;
const RANDOM_INPUTS = 50;
/** Even a slow runtime gives a median of some runs a round. */
const MIN_RUNS = 3;

async function loadPeers(warn: (message: string) => void): Promise<Peer[]> {
  const index = new URL("../../bench/peers/index.mjs", import.meta.url);
  let module: PeersModule;
  try {
    module = await import(index.href);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new ThumbnetError(
      `--peers needs the folder bench/peers of the repository, installed there: ${reason}`,
    );
  }
  const found = await module.peers((name, reason) => warn(`${name} is left out: ${reason.split("\n")[0]}`));
  if (found.length === 0)
    throw new ThumbnetError("--peers: none is installed; run npm install in bench/peers");
  return found;
}

/** What a page loads for thumbnet: the browser entry, minified and gzipped; null without esbuild. */
async function thumbnetBytes(): Promise<number | null> {
  try {
    // A variable, so that the compiler does not ask for a package that only developers have.
    const name = "esbuild";
    const { build } = await import(name);
    const entry = fileURLToPath(new URL("../index.js", import.meta.url));
    const options = {
      entryPoints: [entry],
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      platform: "browser",
    };
    const { outputFiles } = await build(options);
    return gzipSync(outputFiles[0].contents, { level: 9 }).length;
  } catch {
    return null;
  }
}

type Runner = () => unknown;

/** The median time of one run in microseconds, over about `ms` milliseconds. */
async function timeRound(run: Runner, ms: number): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + ms;
  for (let now = 0; times.length < MIN_RUNS || now < end; ) {
    const start = performance.now();
    const result = run();
    if (result instanceof Promise) await result;
    now = performance.now();
    times.push(now - start);
  }
  return 1000 * median(times);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** All outputs, one after the other. */
function thumbnetOutput(model: Model, input: Int8Array): Buffer {
  return Buffer.concat(model.runAll(input).map(storedBytes));
}

async function countEqual(model: Model, peer: PeerModel): Promise<number> {
  let equal = 0;
  for (let seed = 0; seed < RANDOM_INPUTS; seed++) {
    const input = randomInput(model.inputs[0]!, seed) as Int8Array;
    const expected = thumbnetOutput(model, input);
    if (expected.equals(storedBytes(await peer.run(input)))) equal++;
  }
  return equal;
}

/** Everything that runs one model, thumbnet first; or why a peer cannot. */
interface Contender {
  readonly runtime: string;
  readonly bytes: number | null;
  readonly peer: PeerModel | null;
  readonly problem: string | null;
}

async function openContender(peer: Peer, model: BenchModel): Promise<Contender> {
  const runtime = `${peer.name} ${peer.version}`;
  try {
    return { runtime, bytes: peer.bytes, peer: await peer.load(model.bytes, model.name), problem: null };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { runtime, bytes: peer.bytes, peer: null, problem };
  }
}

async function compareModel(
  file: BenchModel,
  model: Model,
  peers: readonly Peer[],
  ownBytes: number | null,
  time: number,
  progress: Progress,
): Promise<PeerResult[]> {
  const input = randomInput(model.inputs[0]!, 0) as Int8Array;
  const contenders: Contender[] = [];
  for (const peer of peers) contenders.push(await openContender(peer, file));
  const runners: (Runner | null)[] = [
    () => model.run(input),
    ...contenders.map(({ peer }) => (peer ? () => peer.run(input) : null)),
  ];
  const equal: (number | null)[] = [];
  for (const { peer } of contenders) equal.push(peer ? await countEqual(model, peer) : null);

  for (const run of runners) if (run) await timeRound(run, WARM_UP_MS);
  const rounds: number[][] = runners.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, run] of runners.entries()) if (run) rounds[i]!.push(await timeRound(run, time / ROUNDS));
    progress.step();
  }
  for (const { peer } of contenders) await peer?.dispose();

  const row = (i: number) => ({
    model: file.name,
    microseconds: rounds[i]!.length > 0 ? median(rounds[i]!) : null,
    ratio:
      rounds[i]!.length > 0 ? median(rounds[i]!.map((value, round) => value / rounds[0]![round]!)) : null,
    inputs: RANDOM_INPUTS,
  });
  const own = {
    runtime: `thumbnet ${model.engine}`,
    equal_outputs: null,
    gzipped_bytes: ownBytes,
    problem: null,
  };
  return [
    { ...row(0), ...own },
    ...contenders.map(({ runtime, bytes, problem }, i) => {
      return { ...row(i + 1), runtime, equal_outputs: equal[i]!, gzipped_bytes: bytes, problem };
    }),
  ];
}

/**
 * Runs models on thumbnet and on every peer, in turns.
 *
 * @param time milliseconds for each model and runtime
 * @throws ThumbnetError when no peer is there, or a model is not of one int8 input
 */
export async function comparePeers(
  files: readonly BenchModel[],
  engine: Engine | undefined,
  time: number,
  warn: (message: string) => void,
): Promise<PeerResult[]> {
  const peers = await loadPeers(warn);
  const ownBytes = await thumbnetBytes();
  const results: PeerResult[] = [];
  const progress = new Progress("bench", files.length * ROUNDS);
  try {
    for (const file of files) {
      const model = await loadModel(file.bytes, { name: file.name, ...(engine ? { engine } : {}) });
      if (model.inputs.length !== 1 || model.inputs[0]!.dtype !== "int8") {
        throw new ThumbnetError(`${file.name}: --peers compares models of one int8 input`);
      }
      results.push(...(await compareModel(file, model, peers, ownBytes, time, progress)));
      model.dispose();
    }
  } finally {
    progress.end();
  }
  return results;
}

export function formatComparison(results: readonly PeerResult[]): string {
  const right = { align: "right" } as const;
  const columns = [
    { title: "model" },
    { title: "runtime" },
    { title: "median µs", ...right },
    { title: "ratio", ...right },
    { title: "equal outputs", ...right },
    { title: "gzipped bytes", ...right },
  ];
  const rows = results.map((result) => [
    result.model,
    result.runtime,
    result.microseconds === null ? "-" : result.microseconds.toFixed(1),
    result.ratio === null ? "-" : result.ratio.toFixed(2),
    result.equal_outputs === null ? "-" : `${result.equal_outputs} of ${result.inputs}`,
    formatOptional(result.gzipped_bytes),
  ]);
  const problems = results.flatMap(({ model, runtime, problem }) =>
    problem === null ? [] : [`${runtime} cannot run ${model}: ${problem}`],
  );
  return [formatTable(columns, rows), ...problems].join("\n\n");
}
