import { ThumbnetError } from "../errors.ts";
import { decisionPoints, finalOutput } from "../graph/exits.ts";
import type { ExitCriterion, Graph, Operator } from "../graph/graph.ts";
import type { Expansion } from "../graph/rewrites/constant-channels.ts";
import { type ArenaPlan, planArena } from "./arena.ts";
import type { KernelCall } from "./kernel-call.ts";
import { isAlias, lowerOperator } from "./lower/index.ts";
import { makeSchedule, type Schedule, type SlicedChain } from "./schedule.ts";
import { scratchBytes } from "./scratch.ts";
import { smallestSchedule } from "./search.ts";
import { type Storage, storageOf } from "./storage.ts";

/**
 * What a plan is for. `speed`: as few cycles as possible; outputs replace inputs where that costs nothing. `size`: as
 * little flash as possible. `ram`: as small an arena as possible; early operators run in slices of rows.
 */
export const OPTIMIZE = ["speed", "size", "ram"] as const;
export type Optimize = (typeof OPTIMIZE)[number];

/**
 * Where a tensor lies: at an offset of the arena, or in the image because it is constant. Of one that is not whole,
 * only the rows that are needed at a time lie there.
 */
export type Place =
  | { readonly space: "arena"; readonly offset: number; readonly isWhole: boolean }
  | { readonly space: "image"; readonly tensor: number };

export interface PlannedOperator {
  readonly operator: Operator;
  /** The kernel calls that do its work; none for an alias. */
  readonly calls: readonly KernelCall[];
  /** So many records of the whole plan have run once it is done. */
  readonly recordEnd: number;
  /** Bytes of the arena that are in use while it runs. */
  readonly liveBytes: number;
}

/** One stretch of the arena and when it is in use, for memory maps. */
export interface ArenaBuffer {
  /** The tensors that share it, in order of their making: aliases, or the rows of a line. */
  readonly tensors: readonly number[];
  readonly offset: number;
  readonly bytes: number;
  /** First and last operator during which it is in use. */
  readonly first: number;
  readonly last: number;
  /** The buffers, by index, that it is written over while they are used up. */
  readonly over: readonly number[];
}

/** An early exit and when it is decided. */
export interface PlannedExit {
  /** Index into the graph's outputs. */
  readonly output: number;
  readonly criterion: ExitCriterion;
  /** Records [0, recordEnd) and operators [0, operatorEnd) have run then. */
  readonly recordEnd: number;
  readonly operatorEnd: number;
}

/** An int8 graph, lowered to kernel calls and with a place for every tensor. */
export interface Plan {
  readonly graph: Graph;
  readonly operators: readonly PlannedOperator[];
  /** The operator of each record, in the order in which they run. */
  readonly order: readonly number[];
  /** Operators that run in slices of rows. */
  readonly chains: readonly SlicedChain[];
  /** By tensor index; null for a tensor that no kernel touches (paddings, axes, shapes, weights). */
  readonly places: readonly (Place | null)[];
  /** By tensor index: the channels that tensors had before constant ones were folded. */
  readonly expansions: ReadonlyMap<number, Expansion>;
  /** By tensor index: the tensor whose scale the bytes have. Another one for a float32 tensor at the edge. */
  readonly stored: readonly number[];
  readonly arenaBytes: number;
  /** What the chip's kernels need behind the arena. */
  readonly scratchBytes: number;
  /** The least that any plan needs with this order and these buffers. */
  readonly arenaBound: number;
  /** The operator during which most bytes are alive. */
  readonly peakOperator: number;
  readonly buffers: readonly ArenaBuffer[];
  /** In the order in which they are decided. */
  readonly exits: readonly PlannedExit[];
  /** Index into the graph's outputs: the one that answers where no exit does. */
  readonly finalOutput: number;
}

/** Far beyond any microcontroller: what asks for more is no model but a damaged file. */
const MAX_ARENA_BYTES = 2 ** 28;

/**
 * Lowers every operator and places every tensor.
 *
 * @param graph accepted by `checkInt8`
 * @throws ThumbnetError when an operator does not fit the records' fields
 */
export function planGraph(
  graph: Graph,
  expansions: ReadonlyMap<number, Expansion> = new Map(),
  optimize: Optimize = "speed",
): Plan {
  const calls = lowerGraph(graph);
  const schedule = optimize === "ram" ? smallestSchedule(graph, calls) : makeSchedule(graph, calls);
  return planSchedule(graph, schedule, expansions);
}

/** The kernel calls of every operator as a whole. */
export function lowerGraph(graph: Graph): KernelCall[][] {
  return graph.operators.map((op, index) => naming(graph, op, index, () => lowerOperator(graph, op)));
}

/** Places every tensor for calls in a given order. */
export function planSchedule(
  graph: Graph,
  schedule: Schedule,
  expansions: ReadonlyMap<number, Expansion> = new Map(),
): Plan {
  const storage = storageOf(graph, schedule);
  const arena = planArena(storage.buffers, storage.pairs);
  if (arena.bytes > MAX_ARENA_BYTES) {
    throw new ThumbnetError(
      `${graph.name}: needs an arena of ${arena.bytes} bytes; supported: up to ${MAX_ARENA_BYTES}`,
    );
  }
  const buffers = arenaBuffers(storage, arena);
  return {
    graph,
    operators: graph.operators.map((operator, step) => ({
      operator,
      calls: schedule.calls[step]!,
      recordEnd: schedule.ends[step]!,
      liveBytes: coveredBytes(buffers.filter(({ first, last }) => first <= step && step <= last)),
    })),
    order: schedule.order,
    chains: schedule.chains,
    expansions,
    stored: storedTensors(graph),
    places: placesOf(graph, schedule, buffers),
    arenaBytes: arena.bytes,
    scratchBytes: Math.max(0, ...schedule.calls.flat().map(scratchBytes)),
    arenaBound: arena.bound,
    peakOperator: storage.buffers.find(({ first }) => first === arena.peak)?.firstOperator ?? 0,
    buffers,
    exits: exitsOf(graph, schedule),
    finalOutput: graph.outputs.indexOf(finalOutput(graph)),
  };
}

function exitsOf(graph: Graph, { ends }: Schedule): PlannedExit[] {
  return decisionPoints(graph).map((operatorEnd, i) => {
    const { tensor, criterion } = graph.exits![i]!;
    const output = graph.outputs.indexOf(tensor);
    return { output, criterion, recordEnd: ends[operatorEnd - 1]!, operatorEnd };
  });
}

function arenaBuffers({ buffers, pairs }: Storage, { offsets }: ArenaPlan): ArenaBuffer[] {
  const touches = (a: number, b: number) =>
    offsets[a]! < offsets[b]! + buffers[b]!.bytes && offsets[b]! < offsets[a]! + buffers[a]!.bytes;
  return buffers.map(({ tensors, bytes, firstOperator, lastOperator }, i) => ({
    tensors,
    offset: offsets[i]!,
    bytes,
    first: firstOperator,
    last: lastOperator,
    over: pairs.flatMap(({ input, output }) => (output === i && touches(input, i) ? [input] : [])),
  }));
}

/** The bytes that some buffers take, those that share bytes counted once. */
function coveredBytes(buffers: readonly ArenaBuffer[]): number {
  let covered = 0;
  let end = 0;
  for (const { offset, bytes } of buffers.toSorted((a, b) => a.offset - b.offset)) {
    const to = offset + bytes;
    covered += Math.max(0, to - Math.max(end, offset));
    end = Math.max(end, to);
  }
  return covered;
}

function placesOf(graph: Graph, { chains }: Schedule, buffers: readonly ArenaBuffer[]): (Place | null)[] {
  const places: (Place | null)[] = graph.tensors.map(() => null);
  const inLines = new Set(chains.flatMap(({ lines }) => lines.flatMap(({ tensors }) => tensors)));
  for (const { tensors, offset } of buffers) {
    for (const tensor of tensors) places[tensor] = { space: "arena", offset, isWhole: !inLines.has(tensor) };
  }
  for (const op of graph.operators) {
    const source = op.inputs[0]!;
    if (isAlias(graph, op) && !places[op.outputs[0]!])
      places[op.outputs[0]!] = places[source] ?? image(source);
  }
  return places.map((place, t) => place ?? (graph.tensors[t]!.data ? image(t) : null));
}

/** @throws ThumbnetError when one float32 input is quantised in two ways: the runtime takes one int8 input */
function storedTensors(graph: Graph): number[] {
  const stored = graph.tensors.map((_, t) => t);
  graph.operators.forEach((op, index) => {
    const [input, output] = [op.inputs[0]!, op.outputs[0]!];
    if (op.kind === "DEQUANTIZE") stored[output] = input;
    if (op.kind !== "QUANTIZE" || !isAlias(graph, op)) return;
    const [known, own] = [stored[input]!, output].map((t) => JSON.stringify(graph.tensors[t]!.quantization));
    if (stored[input] !== input && known !== own) {
      throw new ThumbnetError(
        `${graph.name}: operator ${index} (QUANTIZE): input "${graph.tensors[input]!.name}" is quantised in another way as well; supported: one`,
      );
    }
    stored[input] = output;
  });
  return stored;
}

function image(tensor: number): Place {
  return { space: "image", tensor };
}

/** Puts the model and the operator before the message of an error. */
export function naming<T>(graph: Graph, op: Operator, index: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ThumbnetError)) throw error;
    throw new ThumbnetError(`${graph.name}: operator ${index} (${op.kind}): ${error.message}`);
  }
}
