/**
 * Fixed-point arithmetic of the reference kernels (gemmlowp's double rounding), used at plan time.
 */
import { ThumbnetError } from "../errors.ts";

/** A real factor as multiplier * 2^(shift - 31), multiplier in [2^30, 2^31) or 0. */
export interface Multiplier {
  readonly multiplier: number;
  readonly shift: number;
}

/**
 * The fixed-point form of a real factor (TensorFlow Lite's QuantizeMultiplier): frexp, then the fraction
 * rounded to 31 bits; a factor below 2^-32 becomes 0.
 *
 * @param real finite, >= 0
 * @throws ThumbnetError when the factor is not finite, negative, or 2^30 and more
 */
export function quantizeMultiplier(real: number): Multiplier {
  if (!Number.isFinite(real) || real < 0) throw new ThumbnetError(`${real} is no scale factor`);
  if (real === 0) return { multiplier: 0, shift: 0 };
  const { multiplier, shift } = normalize(real);
  if (shift < -31) return { multiplier: 0, shift: 0 };
  if (shift > 30) throw new ThumbnetError(`the scale factor ${real} is not below 2^30`);
  return { multiplier, shift };
}

const bits = new DataView(new ArrayBuffer(8));

/** The same for any normal real > 0, without limits on the shift. In integers: models have thousands of factors. */
export function normalize(real: number): Multiplier {
  bits.setFloat64(0, real);
  const high = bits.getInt32(0);
  const low = bits.getInt32(4);
  // The fraction in [1/2, 1) has 53 bits, of which 31 stay; the next one rounds.
  const multiplier = ((1 << 30) | ((high & 0xfffff) << 10) | (low >>> 22)) + ((low >>> 21) & 1);
  const shift = (high >>> 20) - 1022;
  return multiplier === 2 ** 31 ? { multiplier: 2 ** 30, shift: shift + 1 } : { multiplier, shift };
}

/**
 * x * multiplier * 2^(shift - 31) as the chip computes it: shift left in 32 bits, high product rounded with
 * ties up, then shift right with ties away from zero.
 */
export function requantize(x: number, { multiplier, shift }: Multiplier): number {
  const high = highProduct(shift > 0 ? x << shift : x, multiplier);
  return shift < 0 ? roundingShiftRight(high, -shift) : high;
}

/** floor((x * multiplier + 2^30) / 2^31), multiplier in [0, 2^31): in halves, each of which a double holds exactly. */
function highProduct(x: number, multiplier: number): number {
  const upper = x * (multiplier >> 16);
  const whole = Math.floor(upper / 2 ** 15);
  const rest = (upper - whole * 2 ** 15) * 2 ** 16 + x * (multiplier & 0xffff);
  return whole + Math.floor((rest + 2 ** 30) / 2 ** 31);
}

/** x / 2^exponent, ties away from zero. */
export function roundingShiftRight(x: number, exponent: number): number {
  return roundAway(x / 2 ** exponent);
}

/** C's round(): to the nearest integer, ties away from zero, never -0. Exact below 2^52. */
export function roundAway(x: number): number {
  return x < 0 ? 0 - Math.round(-x) : Math.round(x);
}

export function clamp(x: number, min: number, max: number): number {
  return Math.min(Math.max(x, min), max);
}
