/**
 * exp and logistic on 32-bit fixed-point numbers, as gemmlowp computes them: the chip has no float. Numbers
 * are written Qi.f: i integer bits, f fraction bits, one sign bit. Only plan-time tables are made here.
 */
import { clamp, roundingShiftRight } from "./multiplier.ts";

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

/** exp(-1/8) and 1/3 in Q0.31: the centre of the series and its cubic term. */
const EXP_MINUS_EIGHTH = 1895147668;
const THIRD = 715827883;
/** exp(-2^k) in Q0.31 for k = -2 … 4. */
const EXP_OF_POWERS = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242];
/** 48/17 and -32/17 in Q2.29: the first guess of Newton's reciprocal on [1/2, 1]. */
const RECIPROCAL_48_17 = 1515870810;
const RECIPROCAL_MINUS_32_17 = -1010580540;

/** a * b / 2^31, ties up: the product of a Qi and a Qj as a Q(i+j). */
function multiply(a: number, b: number): number {
  if (a === INT32_MIN && b === INT32_MIN) return INT32_MAX;
  return Number((BigInt(a) * BigInt(b) + (1n << 30n)) >> 31n);
}

function saturatingShiftLeft(x: number, bits: number): number {
  return clamp(x * 2 ** bits, INT32_MIN, INT32_MAX);
}

/** exp(a) in Q0.31 for a in [-1/4, 0), Q0.31: a series of four terms around -1/8. */
function expOfLastQuarter(a: number): number {
  const x = a + 2 ** 28;
  const x2 = multiply(x, x);
  const x3 = multiply(x2, x);
  const x4 = multiply(x2, x2);
  const tail = roundingShiftRight(multiply(roundingShiftRight(x4, 2) + x3, THIRD) + x2, 1);
  return EXP_MINUS_EIGHTH + multiply(EXP_MINUS_EIGHTH, x + tail);
}

/** exp(a) in Q0.31 for a <= 0 with `integerBits` integer bits. */
function expOfNegative(a: number, integerBits: number): number {
  if (a === 0) return INT32_MAX;
  const fractionBits = 31 - integerBits;
  const quarter = 2 ** (fractionBits - 2);
  const remainderOfQuarter = (a & (quarter - 1)) - quarter;
  let result = expOfLastQuarter(saturatingShiftLeft(remainderOfQuarter, integerBits));
  const quarters = remainderOfQuarter - a;
  EXP_OF_POWERS.forEach((factor, i) => {
    const exponent = i - 2;
    if (exponent < integerBits && quarters & (1 << (fractionBits + exponent)))
      result = multiply(result, factor);
  });
  return result;
}

/** 1 / (1 + a) in Q0.31 for a in [0, 1], Q0.31: three Newton steps. */
function reciprocalOfOnePlus(a: number): number {
  const halfDenominator = Math.floor((a + INT32_MAX + 1) / 2);
  let x = RECIPROCAL_48_17 + multiply(halfDenominator, RECIPROCAL_MINUS_32_17);
  for (let step = 0; step < 3; step++) {
    const error = 2 ** 29 - multiply(halfDenominator, x);
    x += saturatingShiftLeft(multiply(x, error), 2);
  }
  // x is 1 / halfDenominator in Q2.29, so half of it is the result: one shift fewer.
  return saturatingShiftLeft(x, 1);
}

/** 1 / (1 + exp(-a)) in Q0.31 for a with `integerBits` integer bits. */
export function logistic(a: number, integerBits: number): number {
  if (a === 0) return 2 ** 30;
  const ofPositive = reciprocalOfOnePlus(expOfNegative(-Math.abs(a), integerBits));
  return a > 0 ? ofPositive : INT32_MAX - ofPositive;
}
