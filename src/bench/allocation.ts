import { median } from "./rounds.ts";

const BATCHES = 15;
const RUNS = 100;

/**
 * Bytes that a call leaves on JavaScript's heap for the garbage collector. Batches during which it collected
 * are outvoted.
 */
export function heapBytesPerRun(run: () => unknown): number {
  const batches = Array.from({ length: BATCHES }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < RUNS; i++) run();
    return (process.memoryUsage().heapUsed - before) / RUNS;
  });
  return Math.max(0, median(batches));
}
