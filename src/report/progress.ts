const WIDTH = 30;
const INTERVAL_MS = 100;

/** A progress bar with the time left, on standard error; silent where that is no terminal. */
export class Progress {
  readonly #what: string;
  readonly #total: number;
  readonly #start = performance.now();
  #done = 0;
  #shown = 0;

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
  }

  step(): void {
    this.#done++;
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shown < INTERVAL_MS) return;
    this.#shown = now;
    process.stderr.write(`\r\x1b[K${formatProgress(this.#what, this.#done, this.#total, now - this.#start)}`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#shown > 0) process.stderr.write("\r\x1b[K");
  }
}

/** Runs what counts its steps under a progress bar, which is cleared at the end. */
export async function withProgress<T>(
  what: string,
  total: number,
  run: (step: () => void) => T | Promise<T>,
): Promise<T> {
  const progress = new Progress(what, total);
  try {
    return await run(() => progress.step());
  } finally {
    progress.end();
  }
}

/** `eval [#########---------] 123/500, 12 s left` */
export function formatProgress(what: string, done: number, total: number, elapsedMs: number): string {
  const filled = Math.round((WIDTH * done) / total);
  const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
  const left = formatDuration((elapsedMs / done) * (total - done) * 0.001);
  return `${what} [${bar}] ${done}/${total}, ${left} left`;
}

/** `12 s`, `3 min 5 s`, `2 h 7 min`; seconds are rounded up. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / 60);
  if (whole < 60) return `${whole} s`;
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
