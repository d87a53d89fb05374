/**
 * Where each buffer lies in the arena. Buffers that are never alive at the same time may share bytes.
 *
 * Algorithm: no plan can be smaller than the largest sum of buffers alive at one step (the bound). Buffers are
 * placed one after the other, each at the lowest offset where it meets no placed buffer that is alive at the
 * same time (first fit). The order decides the result: larger first, then longer-lived first, then in order of
 * use are tried. If none reaches the bound, random exchanges in the best order follow, keeping what is not
 * worse, until the bound is reached or a fixed number of tries is spent. Random numbers have a fixed seed: the
 * same graph always gives the same plan.
 */
import { ALIGNMENT, alignUp } from "./layout.ts";

export interface Buffer {
  readonly bytes: number;
  /** First and last step (operator index) at which the content matters, both included. */
  readonly first: number;
  readonly last: number;
}

export interface ArenaPlan {
  /** Offset of each buffer, a multiple of {@link ALIGNMENT}. */
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** What the fullest step needs: `bytes` equals this when nothing is lost to fragmentation. */
  readonly bound: number;
  /** The step that needs most. */
  readonly peakStep: number;
}

const EXCHANGES = 400;

export function planArena(buffers: readonly Buffer[]): ArenaPlan {
  const { bound, peakStep } = lowerBound(buffers);
  const indices = buffers.map((_, i) => i);
  const bySize = (a: number, b: number) => buffers[b]!.bytes - buffers[a]!.bytes;
  const span = (i: number) => buffers[i]!.last - buffers[i]!.first;
  const orders = [
    indices.toSorted((a, b) => bySize(a, b) || a - b),
    indices.toSorted((a, b) => span(b) - span(a) || bySize(a, b)),
    indices.toSorted((a, b) => buffers[a]!.first - buffers[b]!.first || bySize(a, b)),
  ];
  let best = orders
    .map((order) => ({ order, ...place(buffers, order) }))
    .reduce((a, b) => (b.bytes < a.bytes ? b : a));
  const random = generator(1);
  for (let i = 0; i < EXCHANGES && best.bytes > bound; i++) {
    const order = best.order.slice();
    const [a, b] = [Math.floor(random() * order.length), Math.floor(random() * order.length)];
    [order[a], order[b]] = [order[b]!, order[a]!];
    const candidate = place(buffers, order);
    if (candidate.bytes <= best.bytes) best = { order, ...candidate };
  }
  return { offsets: best.offsets, bytes: best.bytes, bound, peakStep };
}

function lowerBound(buffers: readonly Buffer[]): { bound: number; peakStep: number } {
  let bound = 0;
  let peakStep = 0;
  const steps = new Set(buffers.flatMap((b) => [Math.max(0, b.first), b.last]));
  for (const step of [...steps].sort((a, b) => a - b)) {
    const alive = buffers.filter((b) => b.first <= step && step <= b.last);
    const bytes = alive.reduce((sum, b) => sum + alignUp(b.bytes, ALIGNMENT), 0);
    if (bytes > bound) [bound, peakStep] = [bytes, step];
  }
  return { bound, peakStep };
}

/** First fit in the given order. */
function place(buffers: readonly Buffer[], order: readonly number[]): { offsets: number[]; bytes: number } {
  const offsets = Array<number>(buffers.length).fill(0);
  const placed: number[] = [];
  let total = 0;
  for (const index of order) {
    const buffer = buffers[index]!;
    const size = alignUp(buffer.bytes, ALIGNMENT);
    let offset = 0;
    for (const other of placed) {
      const { first, last, bytes } = buffers[other]!;
      if (first > buffer.last || last < buffer.first) continue;
      if (offsets[other]! >= offset + size) break;
      offset = Math.max(offset, offsets[other]! + alignUp(bytes, ALIGNMENT));
    }
    offsets[index] = offset;
    total = Math.max(total, offset + size);
    // Kept sorted by offset, so that the first gap that is large enough is the lowest.
    const at = placed.findIndex((other) => offsets[other]! > offset);
    placed.splice(at < 0 ? placed.length : at, 0, index);
  }
  return { offsets, bytes: total };
}

/** Numbers in [0, 1): a 32-bit linear congruential generator is plenty for trying exchanges. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
