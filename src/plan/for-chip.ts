import type { ConstantData, KernelCall } from "./kernel-call.ts";
import { plainWeights } from "./matrix.ts";
import type { Plan } from "./plan.ts";
import { decodeRequantization, encodeRequantization } from "./requantization.ts";
import { type ExactChannel, FIXED_SHIFTS, type Shifts, solveTwoPart } from "./two-part.ts";
import { sumRanges } from "./weights.ts";

/**
 * The plan with what pays on the chip alone: operators whose every channel can be requantized in two multiplications
 * of 32 bits get that form. No output changes by a bit.
 */
export function planForChip(plan: Plan): Plan {
  // Calls that share their constants, slices of one operator, go on sharing them.
  const known = new Map<ConstantData, ConstantData>();
  const solved = (call: KernelCall): KernelCall => {
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
  const ranges = sumRanges(
    call.kernel === "depthwise_s8" ? (call.values.weights as Int8Array) : plainWeights(call),
    bias.length,
    call.kernel === "depthwise_s8" ? "channels last" : "channels first",
    call.kernel === "fully_connected_s8" ? call.values.weightsZeroPoint : 0,
  );
  return ranges.map(({ min, max }, c) => ({
    ...multipliers[multipliers.length === 1 ? 0 : c]!,
    bias: bias[c]!,
    zeroPoint: outputZeroPoint,
    low: activationMin,
    high: activationMax,
    sumMin: min,
    sumMax: max,
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
