/** SOFTMAX and LOGISTIC in gemmlowp's fixed point, on plain integers. */
import {
  clamp,
  highMultiply,
  quantizeMultiplier,
  requantize,
  roundAway,
  roundingShift,
  saturatingShiftLeft,
  splitExponent,
} from "./arithmetic.ts";

/** exp(-2^e) in Q0.31 for e = -2, -1, ... 4. */
export const EXP_OF_MINUS_POWERS = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242];
const ONE_Q31 = 2 ** 31 - 1;

/** exp(a) in Q0.31 for a <= 0 with `integerBits` (4 or 5) integer bits. */
export function expOnNegative(a: number, integerBits: number): number {
  if (a === 0) return ONE_Q31;
  const fractionBits = 31 - integerBits;
  const quarter = 1 << (fractionBits - 2);
  const modulo = (a & (quarter - 1)) - quarter; // in [-1/4, 0)
  let result = expNearMinusEighth((modulo << integerBits) + 2 ** 28);
  const remainder = (modulo - a) | 0;
  for (let exponent = -2; exponent < integerBits; exponent++) {
    if ((remainder & (1 << (fractionBits + exponent))) !== 0) {
      result = highMultiply(result, EXP_OF_MINUS_POWERS[exponent + 2]!);
    }
  }
  return result;
}

/** exp(x - 1/8) in Q0.31, four terms of its series, |x| <= 1/8 in Q0.31. */
function expNearMinusEighth(x: number): number {
  const expOfMinusEighth = 1895147668;
  const third = 715827883;
  const x2 = highMultiply(x, x);
  const x3 = highMultiply(x2, x);
  const x4 = highMultiply(x2, x2);
  const higher = roundingShift(highMultiply(roundingShift(x4, 2) + x3, third) + x2, 1);
  return expOfMinusEighth + highMultiply(expOfMinusEighth, x + higher);
}

/** 1 / (1 + a) in Q0.31 for a in [0, 1) in Q0.31: Newton-Raphson from 48/17 - 32/17 * (1 + a) / 2. */
export function reciprocalOfOnePlus(a: number): number {
  const halfDenominator = Math.floor((a + ONE_Q31 + 1) / 2);
  let x = 1515870810 + highMultiply(halfDenominator, -1010580540); // Q2.29
  for (let step = 0; step < 3; step++) {
    const error = 2 ** 29 - highMultiply(halfDenominator, x);
    x = (x + saturatingShiftLeft(highMultiply(x, error), 2)) | 0;
  }
  return saturatingShiftLeft(x, 1);
}

export interface SoftmaxCall {
  readonly rows: number;
  readonly depth: number;
  readonly inputMultiplier: number;
  readonly inputLeftShift: number;
  /** <= 0: an element further below its row's maximum counts as exp = 0. */
  readonly diffMin: number;
  /** [rows, depth] */
  readonly input: Int8Array;
}

export function softmaxParameters(
  beta: number,
  inputScale: number,
): Pick<SoftmaxCall, "inputMultiplier" | "inputLeftShift" | "diffMin"> {
  const factor = Math.min(beta * inputScale * 2 ** 26, 2 ** 31 - 1);
  if (factor <= 1) throw new RangeError(`softmax needs beta * scale * 2^26 > 1, got ${factor}`);
  const { multiplier, shift } = quantizeMultiplier(factor);
  return {
    inputMultiplier: multiplier,
    inputLeftShift: shift,
    diffMin: -Math.floor((31 * 2 ** 26) / 2 ** shift),
  };
}

/** [rows, depth]; the output's zero point is -128 and its scale 1/256. */
export function softmax(call: SoftmaxCall): Int8Array {
  const { rows, depth } = call;
  const output = new Int8Array(rows * depth);
  for (let row = 0; row < rows; row++) {
    const input = call.input.subarray(row * depth, (row + 1) * depth);
    const maximum = input.reduce((most, value) => Math.max(most, value), -128);
    const exponentials = Array.from(input, (value) => {
      const difference = value - maximum;
      if (difference < call.diffMin) return null;
      // 2 ** and not <<: a shift of 31 is legal, and goes with a difference of 0.
      return expOnNegative(highMultiply(difference * 2 ** call.inputLeftShift, call.inputMultiplier), 5);
    });
    const sum = exponentials.reduce<number>(
      (total, exp) => total + (exp === null ? 0 : roundingShift(exp, 12)),
      0,
    );
    const leadingZeros = Math.clz32(sum);
    const scale = reciprocalOfOnePlus(sum * 2 ** leadingZeros - 2 ** 31);
    const bits = 12 - leadingZeros + 23;
    exponentials.forEach((exp, i) => {
      const value = exp === null ? 0 : roundingShift(highMultiply(scale, exp), bits);
      output[row * depth + i] = clamp(value - 128, -128, 127);
    });
  }
  return output;
}

export interface LogisticCall {
  readonly input: Int8Array;
  readonly inputZeroPoint: number;
  /** From this distance to the zero point on, the result is -128 or 127. */
  readonly inputRadius: number;
  readonly inputMultiplier: number;
  readonly inputLeftShift: number;
}

export function logisticParameters(
  inputScale: number,
): Pick<LogisticCall, "inputRadius" | "inputMultiplier" | "inputLeftShift"> {
  const { fraction, exponent } = splitExponent(inputScale * 2 ** 27);
  if (exponent < 0) throw new RangeError(`logistic needs a scale of 2^-28 or more, got ${inputScale}`);
  return {
    inputRadius: Math.floor((15 * 2 ** 27) / 2 ** exponent),
    inputMultiplier: roundAway(fraction * 2 ** 31),
    inputLeftShift: exponent,
  };
}

/** 1 / (1 + exp(-x)) in Q0.31 for x in Q4.27. */
export function logisticFixed(x: number): number {
  if (x === 0) return 2 ** 30;
  const positive = reciprocalOfOnePlus(expOnNegative(-Math.abs(x), 4));
  return x > 0 ? positive : ONE_Q31 - positive;
}

/** The output's zero point is -128 and its scale 1/256. */
export function logistic(call: LogisticCall): Int8Array {
  return call.input.map((value) => {
    const centred = value - call.inputZeroPoint;
    if (centred <= -call.inputRadius) return -128;
    if (centred >= call.inputRadius) return 127;
    const x = requantize(centred, call.inputMultiplier, call.inputLeftShift);
    return clamp(roundingShift(logisticFixed(x), 23) - 128, -128, 127);
  });
}
