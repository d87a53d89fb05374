/** thumbnet against other runtimes, in the same process and in turns. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ThumbnetError } from "../errors.ts";
import type { Engine } from "../runtime/engine.ts";
import { type LoadOptions, loadModel } from "../runtime/load.ts";
import type { Model } from "../runtime/model.ts";
import type { OutputData } from "../runtime/tensors.ts";
import { type CeilingResult, ceilingRuns } from "./ceilings.ts";
import { randomInput } from "./input.ts";
import { type Golden, importBench, type Peer, type PeerModel, type PeersModule } from "./repository.ts";
import { measureRounds, pairedRatio, type Run } from "./rounds.ts";

/** A runtime on a model. */
export interface PeerResult {
  readonly key: string;
  readonly model: string;
  readonly runtime: string;
  /** `thumbnet kept`: with the channels kept that are constant, which thumbnet otherwise folds away. */
  readonly kind: "thumbnet" | "thumbnet kept" | "WebAssembly" | "native";
  /** Median of the rounds' medians; null where the runtime cannot run the model. */
  readonly microseconds: number | null;
  readonly deviation_microseconds: number | null;
  /** Its time by thumbnet's: the median of the rounds' ratios. */
  readonly ratio: number | null;
  /** The same by thumbnet's with constant channels kept; null where it has none. */
  readonly kept_ratio: number | null;
  /** The fastest peer in WebAssembly. */
  readonly is_best: boolean;
  /** Of the inputs, those with the right outputs, every byte; null for what they are compared with. */
  readonly equal_outputs: number | null;
  readonly inputs: number;
  /** What is right: outputs of the chip's kernels on known inputs, or thumbnet's on random ones. */
  readonly compared_with: "goldens" | "thumbnet";
  readonly gzipped_bytes: number | null;
  readonly problem: string | null;
}

export interface PeerBench {
  readonly ceilings: readonly CeilingResult[];
  readonly results: readonly PeerResult[];
}

interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Options {
  readonly engine: Engine;
  /** Milliseconds for each runtime. */
  readonly time: number;
  readonly rounds: number;
  readonly warn: (message: string) => void;
  readonly onRound?: () => void;
}

const RANDOM_INPUTS = 50;

export async function peersModule(): Promise<PeersModule> {
  return importBench<PeersModule>("peers/index.mjs", "--peers");
}

/**
 * Runs a model on thumbnet and on every peer, in turns.
 *
 * @param source a model of one int8 input
 * @throws ThumbnetError when no peer is there
 */
export async function comparePeers(
  module: PeersModule,
  source: Source,
  { engine, time, rounds, warn, onRound }: Options,
): Promise<PeerBench> {
  const peers = await module.peers((name, reason) => warn(`${name} is left out: ${reason.split("\n")[0]}`));
  if (peers.length === 0) throw new ThumbnetError("--peers: none is installed; run npm ci in bench/peers");
  const ownBytes = await thumbnetBytes();
  const ceilings = await ceilingRuns();
  const ceilingTimings = await measureRounds(ceilings.runs, { time, rounds: 3, warmUp: 100 });
  const contenders = [
    ...(await ownContenders(source, engine, ownBytes)),
    ...(await peerContenders(peers, source)),
  ];
  const results = await compareContenders(source.name, contenders, module.goldens(source.bytes), {
    time,
    rounds,
    ...(onRound ? { onRound } : {}),
  });
  for (const { dispose } of contenders) await dispose();
  return { ceilings: ceilings.results(ceilingTimings), results };
}

/** Something that runs one model, or why it cannot. */
interface Contender {
  readonly runtime: string;
  readonly kind: PeerResult["kind"];
  readonly bytes: number | null;
  /** The one input to all outputs, one after the other. */
  readonly output: ((input: Int8Array) => Promise<Int8Array> | Int8Array) | null;
  /** What is timed: the same; for thumbnet without putting the outputs together, which its callers do not ask. */
  readonly run: ((input: Int8Array) => unknown) | null;
  readonly problem: string | null;
  readonly model: Model | null;
  dispose(): Promise<void> | void;
}

async function ownContenders({ name, bytes }: Source, engine: Engine, ownBytes: number | null) {
  const open = async (options: LoadOptions, kind: Contender["kind"], suffix = ""): Promise<Contender> => {
    const model = await loadModel(bytes, { name, engine, ...options });
    return {
      runtime: `thumbnet ${engine}${suffix}`,
      kind,
      bytes: ownBytes,
      output: (input) => joined(model.runAll(input)),
      run: (input) => model.run(input),
      problem: null,
      model,
      dispose: () => model.dispose(),
    };
  };
  const own = await open({}, "thumbnet");
  const kept = await open({ foldConstants: false }, "thumbnet kept", ", constant channels kept");
  // Nothing was folded: the two are the same.
  return kept.model!.imageBytes === own.model!.imageBytes ? [own] : [own, kept];
}

async function peerContenders(peers: readonly Peer[], { name, bytes }: Source): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const peer of peers) {
    let loaded: PeerModel | null = null;
    let problem: string | null = null;
    try {
      loaded = await peer.load(bytes, name);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const run = loaded && ((input: Int8Array) => loaded.run(input));
    contenders.push({
      runtime: `${peer.name} ${peer.version}`,
      kind: peer.bytes === null ? "native" : "WebAssembly",
      bytes: peer.bytes,
      output: run,
      run,
      problem,
      model: null,
      dispose: () => loaded?.dispose(),
    });
  }
  return contenders;
}

interface Expected {
  readonly inputs: readonly Int8Array[];
  readonly outputs: readonly Int8Array[];
  readonly compared_with: PeerResult["compared_with"];
}

async function expectedOutputs(own: Contender, goldens: readonly Golden[]): Promise<Expected> {
  if (goldens.length > 0) {
    const inputs = goldens.flatMap((golden) => golden.inputs);
    return { inputs, outputs: goldens.flatMap(({ outputs }) => outputs), compared_with: "goldens" };
  }
  const info = own.model!.inputs[0]!;
  const inputs = Array.from({ length: RANDOM_INPUTS }, (_, seed) => randomInput(info, seed) as Int8Array);
  const outputs: Int8Array[] = [];
  for (const input of inputs) outputs.push(await own.output!(input));
  return { inputs, outputs, compared_with: "thumbnet" };
}

async function countEqual({ output: run }: Contender, { inputs, outputs }: Expected): Promise<number> {
  let equal = 0;
  for (const [i, input] of inputs.entries()) {
    const output = await run!(input);
    const exact = outputs[i]!;
    if (output.length === exact.length && output.every((value, k) => value === exact[k])) equal++;
  }
  return equal;
}

async function compareContenders(
  model: string,
  contenders: readonly Contender[],
  goldens: readonly Golden[],
  options: Pick<Options, "time" | "rounds" | "onRound">,
): Promise<PeerResult[]> {
  const own = contenders[0]!;
  const expected = await expectedOutputs(own, goldens);
  const equal: (number | null)[] = [];
  for (const contender of contenders) {
    const isReference = contender === own && expected.compared_with === "thumbnet";
    equal.push(contender.output && !isReference ? await countEqual(contender, expected) : null);
  }
  const input = expected.inputs[0]!;
  const able = contenders.filter(({ run }) => run !== null);
  const runs = able.map(
    ({ run }): Run =>
      () =>
        run!(input),
  );
  const timings = await measureRounds(runs, options);
  const timingOf = (contender: Contender | undefined) => timings[able.indexOf(contender!)];
  const kept = timingOf(contenders.find(({ kind }) => kind === "thumbnet kept"));
  const rows = contenders.map((contender, i): PeerResult => {
    const timed = timingOf(contender);
    return {
      key: `${model} ${contender.runtime}`,
      model,
      runtime: contender.runtime,
      kind: contender.kind,
      microseconds: timed?.microseconds ?? null,
      deviation_microseconds: timed?.deviation ?? null,
      ratio: timed ? pairedRatio(timed, timingOf(own)!) : null,
      kept_ratio: timed && kept ? pairedRatio(timed, kept) : null,
      is_best: false,
      equal_outputs: equal[i]!,
      inputs: expected.inputs.length,
      compared_with: expected.compared_with,
      gzipped_bytes: contender.bytes,
      problem: contender.problem,
    };
  });
  const fastest = rows
    .filter(({ kind, ratio }) => kind === "WebAssembly" && ratio !== null)
    .sort((a, b) => a.ratio! - b.ratio!)[0];
  return rows.map((row) => ({ ...row, is_best: row === fastest }));
}

function joined(parts: readonly OutputData[]): Int8Array {
  return Int8Array.from(parts.flatMap((part) => [...part]));
}

/** What a page loads for thumbnet: the browser entry, minified and gzipped; null without esbuild. */
async function thumbnetBytes(): Promise<number | null> {
  try {
    // A variable, so that the compiler does not ask for a package that only developers have.
    const name = "esbuild";
    const { build } = await import(name);
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL("../index.js", import.meta.url))],
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      platform: "browser",
    });
    return gzipSync(outputFiles[0].contents, { level: 9 }).length;
  } catch {
    return null;
  }
}
