/** Which real numbers an int8 activation covers. */

export type RangeMethod = "minmax" | "percentile" | "mse";

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

const BINS = 2048;
/** The least share of the whole range that the search for the least error tries. */
const NARROWEST = 0.02;

/** How often values fall into each of 2048 equal steps between their least and greatest. */
class Histogram {
  readonly counts = new Float64Array(BINS);
  readonly range: Range;
  readonly #width: number;
  total = 0;

  constructor(parts: readonly Float32Array[], range: Range) {
    this.range = range;
    this.#width = (range.max - range.min) / BINS;
    for (const part of parts) {
      this.total += part.length;
      for (let i = 0; i < part.length; i++) {
        this.counts[Math.min(BINS - 1, Math.floor((part[i]! - range.min) / this.#width))]!++;
      }
    }
  }

  /** The middle of a bin. */
  value(bin: number): number {
    return this.range.min + (bin + 0.5) * this.#width;
  }

  /** The bins outside of which a share of the values lies, half of it on each side. */
  quantileBins(share: number): [number, number] {
    const limit = (share / 2) * this.total;
    let [low, high] = [0, BINS - 1];
    for (let sum = this.counts[0]!; sum <= limit && low < BINS - 1; sum += this.counts[low]!) low++;
    for (let sum = this.counts[BINS - 1]!; sum <= limit && high > low; sum += this.counts[high]!) high--;
    return [low, high];
  }
}

/** Scale and zero point that cover a range, 0 among it, so that 0 is an integer. */
export function affineOf({ min, max }: Range): Affine {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const scale = Math.fround((high - low || 1) / 255);
  const zeroPoint = Math.min(127, Math.max(-128, Math.round(-128 - low / scale)));
  return { scale, zeroPoint };
}

/** Rounds to the nearest int8. Real values outside the range become its ends. */
export function quantizeValue(value: number, { scale, zeroPoint }: Affine): number {
  const q = Math.round(value / scale) + zeroPoint;
  return q < -128 ? -128 : q > 127 ? 127 : q;
}

function meanSquaredError(histogram: Histogram, affine: Affine): number {
  let sum = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const count = histogram.counts[bin]!;
    if (count === 0) continue;
    const value = histogram.value(bin);
    const error = affine.scale * (quantizeValue(value, affine) - affine.zeroPoint) - value;
    sum += count * error * error;
  }
  return sum;
}

/** Of the whole range and narrower ones, each end on its own, the one with the least squared error. */
function leastError(histogram: Histogram, whole: Range): Range {
  let best = whole;
  let least = meanSquaredError(histogram, affineOf(whole));
  const search = (narrowed: (share: number) => Range) => {
    for (let share = 1; share > NARROWEST; share *= 0.95) {
      const range = narrowed(share);
      const error = meanSquaredError(histogram, affineOf(range));
      if (error < least) [best, least] = [range, error];
    }
  };
  // Both ends together, since one wide end alone makes the step wide; then one after the other, twice.
  search((share) => ({ min: whole.min * share, max: whole.max * share }));
  for (let round = 0; round < 2; round++) {
    const { min } = best;
    search((share) => ({ min, max: whole.max * share }));
    const { max } = best;
    search((share) => ({ min: whole.min * share, max }));
  }
  return best;
}

export interface RangeOptions {
  readonly method: RangeMethod;
  /** For `percentile`: the share of values that may lie outside. */
  readonly outside: number;
}

/** The range for the values of a tensor, over all examples. */
export function chooseRange(parts: readonly Float32Array[], { method, outside }: RangeOptions): Range {
  let [min, max] = [0, 0];
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      min = Math.min(min, part[i]!);
      max = Math.max(max, part[i]!);
    }
  }
  const whole = { min, max };
  if (method === "minmax" || min === max) return whole;
  const histogram = new Histogram(parts, whole);
  if (method === "mse") return leastError(histogram, whole);
  const [low, high] = histogram.quantileBins(outside);
  const width = (max - min) / BINS;
  return { min: Math.min(0, min + low * width), max: Math.max(0, min + (high + 1) * width) };
}
