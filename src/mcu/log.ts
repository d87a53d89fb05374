import { ThumbnetError } from "../errors.ts";

/** What `firmware/log.c` prints of one run. */
export interface LoggedRun {
  /** CRC-32 of the image that the board ran. */
  readonly image: string;
  /** CRC-32 of each input. */
  readonly inputs: readonly string[];
  /** In the order of the model file. */
  readonly operators: readonly LoggedOperator[];
  readonly outputs: readonly LoggedOutput[];
  /** Which early exit answered; null where the model has none, or the log does not say it. */
  readonly exit: LoggedExit | null;
}

export interface LoggedOutput {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface LoggedExit {
  /** Null where the final output answered. */
  readonly index: number | null;
  /** The largest of the probabilities that it gave, in 1/256. */
  readonly confidence: number;
}

export interface LoggedOperator {
  /** Null for an output that never exists whole. */
  readonly crc32: string | null;
  /** Null where the board has no counter. */
  readonly cycles: number | null;
}

const VERSION = "1";

interface OpenRun {
  image: string;
  inputs: string[];
  operators: LoggedOperator[];
  outputs: LoggedOutput[];
  exit: LoggedExit | null;
}

/**
 * The runs in a UART log. Lines that are none of the log's own, such as boot messages, are passed over.
 *
 * @throws ThumbnetError when there is no run in it, one is cut off or garbled, or has another version
 */
export function parseLog(text: string, name: string): LoggedRun[] {
  const runs: LoggedRun[] = [];
  let run: OpenRun | null = null;
  const lines = text.split(/\r?\n|\r/);
  lines.forEach((line, i) => {
    const fail = (what: string): never => {
      throw new ThumbnetError(`${name}, line ${i + 1}: ${what}`);
    };
    const header = /^thumbnet (\S+) image ([0-9a-f]{8})$/.exec(line);
    if (header) {
      if (header[1] !== VERSION) fail(`is a log of version ${header[1]}, supported is ${VERSION}`);
      if (run) fail("a new run begins before the last one has ended");
      run = { image: header[2]!, inputs: [], operators: [], outputs: [], exit: null };
      return;
    }
    if (!run) return;
    if (line === "end") {
      runs.push(run);
      run = null;
    } else if (/^(input|operator|exit|output) /.test(line)) {
      // The last line may be half a line: then the log is cut off, which is said below.
      if (!readLine(line, run) && i < lines.length - 1)
        fail(`is garbled or out of order: "${line.slice(0, 60)}"`);
    }
  });
  if (run) {
    const { operators, outputs } = run as OpenRun;
    const last = outputs.length > 0 ? `output ${outputs.at(-1)!.index}` : `operator ${operators.length - 1}`;
    throw new ThumbnetError(`${name} is cut off: its last run has no "end" (it stops after ${last})`);
  }
  if (runs.length === 0)
    throw new ThumbnetError(`${name} holds no run: no line begins with "thumbnet ${VERSION} image"`);
  return runs;
}

function readLine(line: string, run: OpenRun): boolean {
  const input = /^input (\d+) crc ([0-9a-f]{8})$/.exec(line);
  if (input) return Number(input[1]) === run.inputs.push(input[2]!) - 1;
  const operator = /^operator (\d+) (?:crc ([0-9a-f]{8})|in slices)(?: cycles (\d+))?$/.exec(line);
  if (operator) {
    const cycles = operator[3] === undefined ? null : Number(operator[3]);
    return Number(operator[1]) === run.operators.push({ crc32: operator[2] ?? null, cycles }) - 1;
  }
  const exit = /^exit (none|\d+) confidence (\d+)$/.exec(line);
  if (exit) {
    if (run.exit || run.outputs.length > 0) return false;
    run.exit = { index: exit[1] === "none" ? null : Number(exit[1]), confidence: Number(exit[2]) };
    return true;
  }
  const output = /^output (\d+)((?: [0-9a-f]{2})*)$/.exec(line);
  if (!output) return false;
  const bytes = output[2]
    ? Uint8Array.from(output[2].trim().split(" "), (hex) => Number.parseInt(hex, 16))
    : new Uint8Array(0);
  const index = Number(output[1]);
  // Behind an exit's line only the output that answered is there.
  if (run.exit ? run.outputs.length > 0 : index !== run.outputs.length) return false;
  run.outputs.push({ index, bytes });
  return true;
}
