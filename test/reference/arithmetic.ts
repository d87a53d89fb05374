/**
 * Fixed-point arithmetic of the reference, straight from docs/arithmetic.md. Written to be obvious, not fast,
 * and sharing nothing with the engines that are tested against it.
 */

export interface Multiplier {
  /** 0, or in [2^30, 2^31). */
  readonly multiplier: number;
  /** > 0 shifts left. */
  readonly shift: number;
}

/** Nearest integer, ties away from zero. (`Math.round` takes ties up, and `floor(v + 0.5)` rounds twice.) */
export function roundAway(value: number): number {
  if (value < 0) return 0 - roundAway(-value); // 0 - 0 is not -0
  const below = Math.floor(value);
  return value - below >= 0.5 ? below + 1 : below;
}

/** `value = fraction * 2^exponent` with fraction in [0.5, 1), for a finite value > 0. */
export function splitExponent(value: number): { fraction: number; exponent: number } {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`no exponent of ${value}`);
  let fraction = value;
  let exponent = 0;
  // Scaling by 2 is exact in float64.
  for (; fraction >= 1; exponent++) fraction /= 2;
  for (; fraction < 0.5; exponent--) fraction *= 2;
  return { fraction, exponent };
}

/** The multiplier and shift nearest to a real factor > 0. */
export function quantizeMultiplier(factor: number): Multiplier {
  const { fraction, exponent } = splitExponent(factor);
  let multiplier = roundAway(fraction * 2 ** 31);
  let shift = exponent;
  if (multiplier === 2 ** 31) {
    multiplier = 2 ** 30;
    shift++;
  }
  return shift < -31 ? { multiplier: 0, shift: 0 } : { multiplier, shift };
}

/** floor((a * b + 2^30) / 2^31) of two int32, by BigInt: the definition. Saturates for a = b = -2^31. */
export function highMultiplyExact(a: number, b: number): number {
  const product = (BigInt(a) * BigInt(b) + 2n ** 30n) >> 31n;
  return Number(product < 2n ** 31n ? product : 2n ** 31n - 1n);
}

/** Same result as {@link highMultiplyExact} in float64, every intermediate below 2^53. */
export function highMultiply(a: number, b: number): number {
  const low = a & 0xffff;
  const high = (a - low) / 0x10000;
  const highProduct = high * b; // below 2^46
  const quotient = Math.floor(highProduct / 2 ** 15);
  const rest = highProduct - quotient * 2 ** 15;
  const result = quotient + Math.floor((rest * 2 ** 16 + low * b + 2 ** 30) / 2 ** 31);
  return Math.min(result, 2 ** 31 - 1);
}

/** value / 2^bits, nearest, ties away from zero. */
export function roundingShift(value: number, bits: number): number {
  return roundAway(value / 2 ** bits);
}

/** Accumulator to output units: left shift in 32 bits, then two separate roundings. */
export function requantize(value: number, multiplier: number, shift: number): number {
  if (shift > 30 || shift < -31) throw new RangeError(`a shift of ${shift} is outside -31..30`);
  return roundingShift(highMultiply(value << Math.max(shift, 0), multiplier), Math.max(-shift, 0));
}

/** {@link requantize} in BigInt from end to end, to check it against. */
export function requantizeExact(value: number, multiplier: number, shift: number): number {
  const shifted = BigInt.asIntN(32, BigInt(value) << BigInt(Math.max(shift, 0)));
  const high = BigInt(highMultiplyExact(Number(shifted), multiplier));
  const bits = BigInt(Math.max(-shift, 0));
  if (bits === 0n) return Number(high);
  const half = 1n << (bits - 1n);
  return Number(high >= 0n ? (high + half) >> bits : -((-high + half) >> bits));
}

/** value * 2^bits, saturated to int32. */
export function saturatingShiftLeft(value: number, bits: number): number {
  return clamp(value * 2 ** bits, -(2 ** 31), 2 ** 31 - 1);
}

export function clamp(value: number, minimum: number, maximum: number): number {
  return Math.min(Math.max(value, minimum), maximum);
}
