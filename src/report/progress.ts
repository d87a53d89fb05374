const WIDTH = 30;
const INTERVAL_MS = 100;

/** A progress bar with the time left, on standard error; silent where that is no terminal. */
export class Progress {
  readonly #what: string;
  readonly #total: number;
  readonly #from: number;
  readonly #start = performance.now();
  #done: number;
  #shown = 0;

  /** @param from what was done before: it says nothing about speed */
  constructor(what: string, total: number, from = 0) {
    this.#what = what;
    this.#total = total;
    this.#from = from;
    this.#done = from;
  }

  step(): void {
    this.advance(this.#done + 1);
  }

  advance(done: number): void {
    this.#done = done;
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shown < INTERVAL_MS) return;
    this.#shown = now;
    const elapsed = now - this.#start;
    process.stderr.write(
      `\r\x1b[K${formatProgress(this.#what, this.#done, this.#total, elapsed, this.#from)}`,
    );
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
export function formatProgress(
  what: string,
  done: number,
  total: number,
  elapsedMs: number,
  from = 0,
): string {
  const filled = Math.round((WIDTH * done) / total);
  const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
  const left = formatDuration((elapsedMs / Math.max(1, done - from)) * (total - done) * 0.001);
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
