/** A figure over runs that differ by seed. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation; 0 for one run. */
  readonly deviation: number;
  /** Each run's. */
  readonly values: readonly number[];
}

export function spread(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0, values };
}

/** Null where a run has no such figure. */
export function optionalSpread(values: readonly (number | null | undefined)[]): Spread | null {
  return values.every((value) => typeof value === "number") ? spread(values) : null;
}

/** `94.13`, or `94.13 ± 0.12` of several runs. */
export function formatSpread({ mean, deviation, values }: Spread, format: (value: number) => string): string {
  return values.length > 1 ? `${format(mean)} ± ${format(deviation)}` : format(mean);
}
