/** Ceilings: what the machine does with the arithmetic alone, measured in the same rounds as what is compared. */
import { type CeilingsModule, importBench } from "./repository.ts";
import { type Run, type Timing, timing } from "./rounds.ts";

/** How long a timed call should take: far above the clock's resolution, far below a time slice. */
const CALL_MS = 0.1;
const TRIAL_MS = 20;

/** A run that repeats its work, so that what a call costs does not count. */
export interface Repeated {
  readonly run: Run;
  readonly times: number;
}

/** Finds how often to repeat, by the quickest of some trials, which nothing has disturbed. */
export function repeated(run: (times: number) => void, now = () => performance.now()): Repeated {
  let times = 1;
  let quickest = Number.POSITIVE_INFINITY;
  for (const end = now() + TRIAL_MS; now() < end; ) {
    const start = now();
    run(times);
    const milliseconds = now() - start;
    // A clock that stood still says nothing.
    if (milliseconds > 0) quickest = Math.min(quickest, milliseconds / times);
    if (milliseconds < CALL_MS / 2) times *= 2;
  }
  const fitting = Number.isFinite(quickest) ? Math.max(1, Math.round(CALL_MS / quickest)) : times;
  return { run: () => run(fitting), times: fitting };
}

/** The time of one repetition. */
export function each(timed: Timing, times: number): Timing {
  return timing(timed.rounds.map((value) => value / times));
}

export interface CeilingResult {
  readonly name: string;
  readonly unit: "MAC" | "element";
  /** Billions of units a second. */
  readonly giga_per_second: number;
  /** Of one pass. */
  readonly microseconds: number;
  readonly deviation_microseconds: number;
}

export interface CeilingRuns {
  readonly runs: readonly Run[];
  /** What the timings of `runs`, in their order, say. */
  results(timings: readonly Timing[]): CeilingResult[];
}

/** The ceilings, ready to be timed; none where the repository's folder is not there. */
export async function ceilingRuns(): Promise<CeilingRuns> {
  const module = await importBench<CeilingsModule>("ceilings/index.mjs", "").catch(() => null);
  const ceilings = (await module?.ceilings()) ?? [];
  const runs = ceilings.map(({ run }) => repeated(run));
  return {
    runs: runs.map(({ run }) => run),
    results: (timings) =>
      ceilings.map(({ name, unit, work }, i) => {
        const { microseconds, deviation } = each(timings[i]!, runs[i]!.times);
        return {
          name,
          unit,
          giga_per_second: work / microseconds / 1000,
          microseconds,
          deviation_microseconds: deviation,
        };
      }),
  };
}
