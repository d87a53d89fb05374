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

/** `eval [#########---------] 123/500, 12 s left` */
export function formatProgress(what: string, done: number, total: number, elapsedMs: number): string {
  const filled = Math.round((WIDTH * done) / total);
  const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
  const left = Math.ceil((elapsedMs / done) * (total - done) * 0.001);
  const time = left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`;
  return `${what} [${bar}] ${done}/${total}, ${time} left`;
}
