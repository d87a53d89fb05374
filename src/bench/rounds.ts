/** Timing in rounds, in turns, so that what disturbs a noisy machine hits all that is compared. */

/** One timed call; what it returns is awaited where it is a promise. */
export type Run = () => unknown;

/** What the rounds say of one run. */
export interface Timing {
  /** Median of the rounds' medians. */
  readonly microseconds: number;
  /** How far a round strays from that: 1.4826 times the median absolute deviation, a standard deviation. */
  readonly deviation: number;
  /** Each round's median. */
  readonly rounds: readonly number[];
}

export interface RoundOptions {
  /** Milliseconds for each run, all rounds together. */
  readonly time: number;
  /** Milliseconds for each run before the first round; by default twice `time`, at most {@link WARM_UP_MS}. */
  readonly warmUp?: number;
  readonly rounds?: number;
  /** Called after each round. */
  readonly onRound?: () => void;
}

export const ROUNDS = 12;
/** WebAssembly starts in a quick build and is optimised while it runs; that takes a while. */
export const WARM_UP_MS = 500;
/** Even a slow run gives a median of some calls a round. */
const MIN_CALLS = 3;

/** Times every run, in turns. */
export async function measureRounds(
  runs: readonly Run[],
  { time, warmUp = Math.min(WARM_UP_MS, 2 * time), rounds = ROUNDS, onRound }: RoundOptions,
): Promise<Timing[]> {
  await measureOnce(runs, warmUp);
  const all: number[][] = runs.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const medians = await measureOnce(runs, time / rounds);
    for (const [i, value] of medians.entries()) all[i]!.push(value);
    onRound?.();
  }
  return all.map(timing);
}

/** The median microseconds of each run's calls. */
async function measureOnce(runs: readonly Run[], time: number): Promise<number[]> {
  const { Bench } = await import("tinybench");
  const bench = new Bench({ time, iterations: MIN_CALLS, warmup: false, throws: true });
  for (const [i, run] of runs.entries()) bench.add(`${i}`, run);
  const tasks = await bench.run();
  return tasks.map(({ result }) => {
    if (result.state !== "completed") throw new Error(`the measurement ended as ${result.state}`);
    return 1000 * result.latency.p50;
  });
}

/** Sums rounds up. */
export function timing(rounds: readonly number[]): Timing {
  const microseconds = median(rounds);
  const deviation = 1.4826 * median(rounds.map((value) => Math.abs(value - microseconds)));
  return { microseconds, deviation, rounds };
}

/** The median over rounds of one timing by another's of the same rounds: what both suffer from cancels. */
export function pairedRatio(timing: Timing, by: Timing): number {
  return median(timing.rounds.map((value, round) => value / by.rounds[round]!));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
