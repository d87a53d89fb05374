import type { ConstantData, KernelCall } from "./kernel-call.ts";
import { type LinearSum, solveLinearSum } from "./linear-sum.ts";
import { plainWeights } from "./matrix.ts";
import type { Plan } from "./plan.ts";
import { decodeRequantization, encodeRequantization } from "./requantization.ts";
import { type ExactChannel, FIXED_SHIFTS, type Shifts, solveTwoPart } from "./two-part.ts";
import { weightSums } from "./weights.ts";

/**
 * The plan with what pays on the chip alone: operators whose every channel can be requantized in two multiplications
 * of 32 bits get that form, and sums of two tensors theirs. No output changes by a bit.
 */
export function planForChip(plan: Plan): Plan {
  // Calls that share their constants, slices of one operator, go on sharing them.
  const known = new Map<ConstantData, ConstantData>();
  const sums = new Map<string, LinearSum>();
  const solved = (call: KernelCall): KernelCall => {
    if (call.kernel === "add_s8") {
      const { input, input2, output, ...constants } = call.values;
      const key = JSON.stringify(constants);
      if (!sums.has(key)) sums.set(key, solveLinearSum(call.values));
      return { ...call, values: { ...call.values, ...sums.get(key)! } };
    }
    if (!isWindowed(call)) return call;
    const { requantization } = call.values;
    if (!known.has(requantization)) known.set(requantization, twoPart(call) ?? requantization);
    return { ...call, values: { ...call.values, requantization: known.get(requantization)! } } as KernelCall;
  };
  return {
    ...plan,
    operators: plan.operators.map((operator) => ({ ...operator, calls: operator.calls.map(solved) })),
  };
}

/** Kernels whose sums become int8 by a table of channels. */
export type Windowed = Extract<KernelCall, { values: { requantization: ConstantData } }>;

export function isWindowed(call: KernelCall): call is Windowed {
  return "requantization" in call.values;
}

/** What each channel of a call computes; null where its form is another one already. */
export function exactChannels(call: Windowed): ExactChannel[] | null {
  const { requantization, outputZeroPoint, activationMin, activationMax } = call.values;
  const exact = decodeRequantization(requantization as Uint8Array);
  if (exact.form !== "exact") return null;
  const { bias, multipliers } = exact;
  const { least, most } = weightSums(
    call.kernel === "depthwise_s8" ? (call.values.weights as Int8Array) : plainWeights(call),
    bias.length,
    call.kernel === "depthwise_s8" ? "channels last" : "channels first",
    call.kernel === "fully_connected_s8" ? call.values.weightsZeroPoint : 0,
  );
  return Array.from(bias, (value, c) => ({
    ...multipliers[multipliers.length === 1 ? 0 : c]!,
    bias: value,
    zeroPoint: outputZeroPoint,
    low: activationMin,
    high: activationMax,
    // Of (x + 128) * (w - zero point), with any int8 x.
    sumMin: 255 * least[c]!,
    sumMax: 255 * most[c]!,
  }));
}

/** Shifts with which a call has the fastest kernel. */
export const preferredShifts = ({ kernel }: Windowed): Shifts | undefined =>
  kernel === "depthwise_s8" ? FIXED_SHIFTS : undefined;

/** The two-part form of an operator, or null where it is not proven for all of its channels. */
export function twoPart(call: Windowed): Uint8Array | null {
  const channels = exactChannels(call);
  const solved = channels && solveTwoPart(channels, preferredShifts(call));
  return solved && encodeRequantization(solved);
}
