/**
 * Where each buffer lies in the arena. Buffers that are never alive at the same time may share bytes, and so may an
 * output and the input that it replaces, as far as its kernel allows (`overlap.ts`).
 *
 * Algorithm: no plan can be smaller than what the buffers alive at one time take, each pair that may share bytes
 * sharing all it can (the bound). Buffers are placed one after the other, each at the lowest offset that the placed
 * ones leave (first fit). The order decides the result: larger first, then longer-lived first, then in order of use
 * are tried. If none reaches the bound, random exchanges in the best order follow, keeping what is not worse, until
 * the bound is reached or a fixed number of tries is spent. Random numbers have a fixed seed: the same graph always
 * gives the same plan.
 */
import { ALIGNMENT, alignUp } from "./layout.ts";
import { allows, type Overlap } from "./overlap.ts";

export interface Buffer {
  readonly bytes: number;
  /** First and last time at which the content matters, both included. */
  readonly first: number;
  readonly last: number;
}

/** Two buffers, by index, that are alive at the same time and may share bytes all the same. */
export interface SharedPair {
  readonly input: number;
  readonly output: number;
  readonly overlap: Overlap;
}

export interface ArenaPlan {
  /** Offset of each buffer, a multiple of {@link ALIGNMENT}. */
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** What the fullest time needs at least. */
  readonly bound: number;
  /** The time that needs most. */
  readonly peak: number;
}

const EXCHANGES = 400;

export function planArena(buffers: readonly Buffer[], pairs: readonly SharedPair[] = []): ArenaPlan {
  const { bound, peak } = arenaBound(buffers, pairs);
  const neighbours = neighboursOf(buffers, pairs);
  const indices = buffers.map((_, i) => i);
  const bySize = (a: number, b: number) => buffers[b]!.bytes - buffers[a]!.bytes;
  const span = (i: number) => buffers[i]!.last - buffers[i]!.first;
  const orders = [
    indices.toSorted((a, b) => bySize(a, b) || a - b),
    indices.toSorted((a, b) => span(b) - span(a) || bySize(a, b)),
    indices.toSorted((a, b) => buffers[a]!.first - buffers[b]!.first || bySize(a, b)),
  ];
  let best = orders
    .map((order) => ({ order, ...place(buffers, neighbours, order) }))
    .reduce((a, b) => (b.bytes < a.bytes ? b : a));
  const random = generator(1);
  for (let i = 0; i < EXCHANGES && best.bytes > bound; i++) {
    const order = best.order.slice();
    const [a, b] = [Math.floor(random() * order.length), Math.floor(random() * order.length)];
    [order[a], order[b]] = [order[b]!, order[a]!];
    const candidate = place(buffers, neighbours, order);
    if (candidate.bytes <= best.bytes) best = { order, ...candidate };
  }
  return { offsets: best.offsets, bytes: best.bytes, bound, peak };
}

const sizeOf = ({ bytes }: Buffer) => alignUp(bytes, ALIGNMENT);

/** What no plan can do without, and when. */
export function arenaBound(
  buffers: readonly Buffer[],
  pairs: readonly SharedPair[] = [],
): { bound: number; peak: number } {
  let bound = 0;
  let peak = 0;
  for (const time of [...new Set(buffers.map(({ first }) => first))].sort((a, b) => a - b)) {
    const alive = new Set(
      buffers.flatMap(({ first, last }, i) => (first <= time && time <= last ? [i] : [])),
    );
    const sum = (members: Iterable<number>) => [...members].reduce((n, i) => n + sizeOf(buffers[i]!), 0);
    let bytes = 0;
    const together = pairs.filter(({ input, output }) => alive.has(input) && alive.has(output));
    for (const output of new Set(together.map((pair) => pair.output))) {
      const shared = together.filter((p) => p.output === output && alive.has(p.input) && alive.has(output));
      if (shared.length === 0) continue;
      const inputs = new Set(shared.map(({ input }) => input));
      const least = shared.map((pair) => leastTogether(buffers[pair.input]!, buffers[output]!, pair.overlap));
      bytes += Math.max(sum(inputs), ...least);
      for (const member of [...inputs, output]) alive.delete(member);
    }
    bytes += sum(alive);
    if (bytes > bound) [bound, peak] = [bytes, time];
  }
  return { bound, peak };
}

/** The fewest bytes that an input and an output cover together. */
function leastTogether(input: Buffer, output: Buffer, overlap: Overlap): number {
  const [from, to] = [sizeOf(input), sizeOf(output)];
  const delta = overlap.kind === "after" ? Math.max(0, alignUp(overlap.distance, ALIGNMENT)) : 0;
  return Math.min(from + to, Math.max(delta + from, to));
}

/** A buffer alive at the same time as another, and how the two may share bytes: `sign` 1 where the other is the input. */
interface Neighbour {
  readonly index: number;
  readonly overlap: Overlap | null;
  readonly sign: 1 | -1;
}

function neighboursOf(buffers: readonly Buffer[], pairs: readonly SharedPair[]): Neighbour[][] {
  return buffers.map((a, i) =>
    buffers.flatMap((b, index): Neighbour[] => {
      if (index === i || a.first > b.last || b.first > a.last) return [];
      const pair = pairs.find(
        ({ input, output }) => (input === index && output === i) || (input === i && output === index),
      );
      return [{ index, overlap: pair?.overlap ?? null, sign: pair?.input === index ? 1 : -1 }];
    }),
  );
}

/** First fit in the given order. */
function place(
  buffers: readonly Buffer[],
  neighbours: readonly (readonly Neighbour[])[],
  order: readonly number[],
): { offsets: number[]; bytes: number } {
  const offsets = Array<number>(buffers.length).fill(-1);
  let total = 0;
  for (const index of order) {
    const size = sizeOf(buffers[index]!);
    const placed = neighbours[index]!.filter((other) => offsets[other.index]! >= 0);
    const fits = (offset: number) =>
      placed.every(({ index: other, overlap, sign }) => {
        const at = offsets[other]!;
        if (offset >= at + sizeOf(buffers[other]!) || at >= offset + size) return true;
        return overlap !== null && allows(overlap, sign * (at - offset));
      });
    const offset = candidates(buffers, placed, offsets)
      .sort((a, b) => a - b)
      .find(fits)!;
    offsets[index] = offset;
    total = Math.max(total, offset + size);
  }
  return { offsets, bytes: total };
}

/** The lowest offset that fits is one of these: the start, the end of a neighbour, or as near to one as it allows. */
function candidates(
  buffers: readonly Buffer[],
  placed: readonly Neighbour[],
  offsets: readonly number[],
): number[] {
  const starts = [0, ...placed.map(({ index }) => offsets[index]! + sizeOf(buffers[index]!))];
  const shared: number[] = [];
  for (const { index, overlap, sign } of placed) {
    if (overlap?.kind === "after" && sign < 0) {
      // This is the input: it may begin so far behind the output.
      shared.push(Math.max(0, alignUp(offsets[index]! + overlap.distance, ALIGNMENT)));
    } else if (overlap?.kind === "channels") {
      const step = leastCommonMultiple(overlap.channels, ALIGNMENT);
      shared.push(offsets[index]! % step);
      for (const start of starts) {
        shared.push(start + ((((offsets[index]! - start) % step) + step) % step));
      }
    }
  }
  return [...starts, ...shared.filter((offset) => Number.isFinite(offset))];
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Numbers in [0, 1): a 32-bit linear congruential generator is plenty for trying exchanges. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
