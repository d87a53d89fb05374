import type { Graph } from "../graph/graph.ts";
import { arenaBound, planArena } from "./arena.ts";
import type { KernelCall } from "./kernel-call.ts";
import { RECORD_BYTES } from "./layout.ts";
import { makeSchedule, type Schedule, type SlicedChain } from "./schedule.ts";
import { scratchBytes } from "./scratch.ts";
import { chainStages, readersOf, sliceChain } from "./slices.ts";
import { storageOf } from "./storage.ts";

/** Operators before and behind the fullest one that a chain may reach to. */
const REACH = 8;
/** Rows of a slice that are tried; more need more RAM, fewer more records. */
const ROWS = [1, 2, 3, 4, 6, 8, 12, 16];
/** Of the candidates of a round, those with the smallest bounds are planned. */
const PLANNED = 16;
/** A chain that spares less is not worth its records. */
const LEAST_GAIN = 64;
/** Candidates within this share of the smallest count as equal: the one with the fewest records is taken. */
const TOLERANCE = 0.02;
/** Chains of one network. */
const MAX_CHAINS = 4;

interface Candidate {
  readonly schedule: Schedule;
  readonly bytes: number;
}

/**
 * The schedule with the smallest arena and scratch that is found. The operator at which most bytes are alive is made
 * part of a chain in slices, in every way within reach; the best is kept, and the search goes on at the operator that
 * is fullest then, until nothing more is gained.
 *
 * @param calls of each operator as a whole
 */
export function smallestSchedule(graph: Graph, calls: readonly (readonly KernelCall[])[]): Schedule {
  let best = planned(graph, makeSchedule(graph, calls));
  for (let round = 0; round < MAX_CHAINS; round++) {
    const next = bestOf(candidates(graph, calls, best.schedule), graph);
    if (!next || next.bytes > best.bytes - LEAST_GAIN) break;
    best = next;
  }
  return best.schedule;
}

/** The best of those whose bounds are lowest. */
function bestOf(schedules: readonly Schedule[], graph: Graph): Candidate | undefined {
  const promising = schedules
    .map((schedule) => ({ schedule, least: bound(graph, schedule).bytes }))
    .sort((a, b) => a.least - b.least)
    .slice(0, PLANNED)
    .map(({ schedule }) => planned(graph, schedule));
  const smallest = Math.min(...promising.map(({ bytes }) => bytes));
  return promising
    .filter(({ bytes }) => bytes <= smallest * (1 + TOLERANCE))
    .sort((a, b) => a.schedule.order.length - b.schedule.order.length || a.bytes - b.bytes)[0];
}

/** Every way to run the fullest operator, or the one before it, in slices. */
function candidates(graph: Graph, calls: readonly (readonly KernelCall[])[], schedule: Schedule): Schedule[] {
  const readers = readersOf(graph);
  const peak = bound(graph, schedule).operator;
  const others = schedule.chains.filter(({ first, last }) => peak < first || last < peak);
  const all: Schedule[] = [];
  for (let first = Math.max(0, peak - REACH); first <= peak; first++) {
    for (
      let last = Math.max(first + 1, peak);
      last <= Math.min(graph.operators.length - 1, peak + REACH);
      last++
    ) {
      if (others.some((chain) => first <= chain.last && chain.first <= last)) continue;
      const stages = chainStages(graph, calls, readers, first, last);
      if (!stages) continue;
      const height = stages.at(-1)!.outputHeight;
      for (const rows of ROWS.filter((r) => r < height)) {
        const chain = sliceChain(stages, rows);
        if (chain) all.push(makeSchedule(graph, calls, [...others, chain]));
      }
    }
  }
  return all;
}

function scratchOf({ calls }: Schedule): number {
  return Math.max(0, ...calls.flat().map(scratchBytes));
}

/** What a schedule needs at least, and the operator during which. */
function bound(graph: Graph, schedule: Schedule): { bytes: number; operator: number } {
  const { buffers, pairs } = storageOf(graph, schedule);
  const { bound, peak } = arenaBound(buffers, pairs);
  const operator = buffers.find(({ first }) => first === peak)?.firstOperator ?? 0;
  return { bytes: bound + scratchOf(schedule), operator };
}

function planned(graph: Graph, schedule: Schedule): Candidate {
  const { buffers, pairs } = storageOf(graph, schedule);
  return { schedule, bytes: planArena(buffers, pairs).bytes + scratchOf(schedule) };
}

/** Bytes of the image that slicing costs: the records beyond one for each call of the whole operators. */
export function slicingBytes(chains: readonly SlicedChain[]): number {
  return chains.reduce(
    (sum, { steps, first, last }) => sum + (steps.length - (last - first + 1)) * RECORD_BYTES,
    0,
  );
}
