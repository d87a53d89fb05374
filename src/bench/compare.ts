/** Sets a measurement beside a stored one, and says which differences are more than noise. */
import { ThumbnetError } from "../errors.ts";
import { median } from "./rounds.ts";

export type BenchMode = "models" | "kernels" | "peers";

export interface Machine {
  readonly cpu: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
}

interface Timed {
  readonly microseconds: number | null;
  readonly deviation_microseconds: number | null;
}

/** What every measurement has, as `--json` prints it. */
export interface Measurement {
  readonly mode: BenchMode;
  readonly machine: Machine;
  readonly ceilings: readonly (Timed & { readonly name: string })[];
  readonly results: readonly (Timed & { readonly key: string })[];
}

/** A stored baseline: the latest measurement of each kind. */
export type Baseline = { readonly [mode in BenchMode]?: Measurement };

export interface ComparedRow {
  readonly key: string;
  readonly old_microseconds: number;
  readonly new_microseconds: number;
  /** New time by old. */
  readonly ratio: number;
  /** That, less what the machine itself became faster or slower by. */
  readonly corrected_ratio: number;
  /** How far the corrected ratio may be from 1 by noise alone. */
  readonly band: number;
  readonly verdict: "faster" | "slower" | "same";
}

export interface Comparison {
  /** New time of the ceilings by old: their code is the same, so the machine is not. 1 where unknown. */
  readonly drift: number;
  readonly same_machine: boolean;
  readonly rows: readonly ComparedRow[];
  /** Keys that only one of the two has. */
  readonly missing: readonly string[];
  readonly added: readonly string[];
}

/** Deviations of the rounds that a difference must exceed. */
const DEVIATIONS = 3;
/** What two runs of the same code differ by however quiet their rounds were: placement of code and data. */
const LEAST_BAND = 0.04;

/** @throws ThumbnetError when the two have no row in common */
export function compareMeasurements(old: Measurement, fresh: Measurement): Comparison {
  const ceilings = pairs(old.ceilings, fresh.ceilings, ({ name }) => name);
  const drift = ceilings.length > 0 ? median(ceilings.map(({ ratio }) => ratio)) : 1;
  // Where the ceilings do not agree on it, the drift is not known any better than that.
  const doubt = ceilings.reduce((most, { ratio }) => Math.max(most, Math.abs(ratio / drift - 1)), 0);
  const rows = pairs(old.results, fresh.results, ({ key }) => key).map(
    ({ key, before, after, ratio, noise }): ComparedRow => {
      const corrected = ratio / drift;
      const band = Math.max(LEAST_BAND, DEVIATIONS * noise) + doubt;
      const verdict = corrected > 1 + band ? "slower" : corrected < 1 / (1 + band) ? "faster" : "same";
      return {
        key,
        old_microseconds: before,
        new_microseconds: after,
        ratio,
        corrected_ratio: corrected,
        band,
        verdict,
      };
    },
  );
  if (rows.length === 0) throw new ThumbnetError("--compare: the file has none of the rows measured here");
  const keys = (one: Measurement) => one.results.map(({ key }) => key);
  const [before, after] = [keys(old), keys(fresh)];
  return {
    drift,
    same_machine: old.machine.cpu === fresh.machine.cpu && old.machine.node === fresh.machine.node,
    rows,
    missing: before.filter((key) => !after.includes(key)),
    added: after.filter((key) => !before.includes(key)),
  };
}

/** Rows of the same key, both of them timed. */
function pairs<Row extends Timed>(old: readonly Row[], fresh: readonly Row[], keyOf: (row: Row) => string) {
  const known = new Map(old.map((row) => [keyOf(row), row]));
  return fresh.flatMap((row) => {
    const before = known.get(keyOf(row));
    if (!before?.microseconds || !row.microseconds) return [];
    const relative = ({ microseconds, deviation_microseconds: deviation }: Timed) =>
      (deviation ?? 0) / microseconds!;
    return {
      key: keyOf(row),
      before: before.microseconds,
      after: row.microseconds,
      ratio: row.microseconds / before.microseconds,
      noise: Math.hypot(relative(before), relative(row)),
    };
  });
}

/**
 * The measurement of a kind in a file: a baseline, or what `--json` printed.
 *
 * @throws ThumbnetError when the text is neither, or has none of that kind
 */
export function readMeasurement(text: string, file: string, mode: BenchMode): Measurement {
  const content = parse(text, file);
  const found = isMeasurement(content) ? content : content[mode];
  if (!isMeasurement(found)) {
    throw new ThumbnetError(`${file}: no measurement of ${mode} there; --save FILE or --json writes one`);
  }
  if (found.mode !== mode)
    throw new ThumbnetError(`${file}: holds a measurement of ${found.mode}, not of ${mode}`);
  return found;
}

/** A baseline with this measurement in place of the last of its kind. @throws ThumbnetError on other content */
export function withMeasurement(text: string | null, file: string, fresh: Measurement): Baseline {
  const content = text === null ? {} : parse(text, file);
  if (isMeasurement(content)) throw new ThumbnetError(`${file}: is no baseline; name another file to --save`);
  return { ...content, [fresh.mode]: fresh };
}

function parse(text: string, file: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new ThumbnetError(`${file}: is no JSON`);
  }
  if (!isObject(content)) throw new ThumbnetError(`${file}: holds no measurements`);
  return content;
}

function isMeasurement(value: unknown): value is Measurement {
  if (!isObject(value)) return false;
  const { mode, machine, ceilings, results } = value;
  return typeof mode === "string" && isObject(machine) && rowsOf(ceilings, "name") && rowsOf(results, "key");
}

function rowsOf(value: unknown, label: string): boolean {
  const isTime = (time: unknown) => time === null || typeof time === "number";
  return (
    Array.isArray(value) &&
    value.every(
      (row) =>
        isObject(row) &&
        typeof row[label] === "string" &&
        isTime(row.microseconds) &&
        isTime(row.deviation_microseconds),
    )
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
