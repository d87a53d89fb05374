/** Weights and biases in integers. */

export interface QuantizedWeights {
  readonly values: Int8Array;
  /** One, or one for each output channel. */
  readonly scales: Float64Array;
  /** What the integers stand for. */
  readonly real: Float32Array;
}

/** Largest share of a scale's range that the search for the least error gives up. */
const NARROWEST = 0.7;
/** Biases and sums of products stay within int32. */
const BIAS_LIMIT = 2 ** 30;

const clampWeight = (q: number) => (q < -127 ? -127 : q > 127 ? 127 : q);

/** The share of the largest weight's scale that rounds the weights with the least squared error. */
function leastErrorShare(weights: readonly number[], largest: number): number {
  let best = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let share = 1; share >= NARROWEST; share -= 0.01) {
    const scale = (largest * share) / 127;
    let error = 0;
    for (const w of weights) error += (scale * clampWeight(Math.round(w / scale)) - w) ** 2;
    if (error < least) [best, least] = [share, error];
  }
  return best;
}

export interface WeightOptions {
  /** `max`: the largest weight is 127; `mse`: of scales down to 0.7 of that, the one with the least error. */
  readonly method: "max" | "mse";
  readonly inputScale: number;
}

/**
 * Symmetric int8 weights, -127 to 127.
 *
 * @param weights real, the channel of element i being `channelOf(i)`
 * @param bias [channels], real: scales are made so large that it fits int32
 * @param perChannel whether each output channel has a scale of its own
 */
export function quantizeWeights(
  weights: Float32Array,
  bias: ArrayLike<number>,
  channelOf: (index: number) => number,
  perChannel: boolean,
  { method, inputScale }: WeightOptions,
): QuantizedWeights {
  const channels = bias.length;
  const groups: number[][] = Array.from({ length: perChannel ? channels : 1 }, () => []);
  weights.forEach((w, i) => {
    groups[perChannel ? channelOf(i) : 0]!.push(w);
  });
  const biases = Array.from(bias, Math.abs);
  const scales = Float64Array.from(groups, (group, c) => {
    const largest = group.reduce((a, w) => Math.max(a, Math.abs(w)), 0);
    // A channel of zeros gets any scale.
    const share = method === "mse" && largest > 0 ? leastErrorShare(group, largest) : 1;
    const largestBias = perChannel ? biases[c]! : biases.reduce((a, b) => Math.max(a, b), 0);
    return Math.fround(Math.max(((largest || 1) * share) / 127, largestBias / BIAS_LIMIT / inputScale));
  });
  const scaleOf = (i: number) => scales[perChannel ? channelOf(i) : 0]!;
  const values = Int8Array.from(weights, (w, i) => clampWeight(Math.round(w / scaleOf(i))));
  return { values, scales, real: Float32Array.from(values, (q, i) => q * scaleOf(i)) };
}

/** int32 biases, with the scale input * weights. */
export function quantizeBias(bias: ArrayLike<number>, scales: Float64Array, inputScale: number): Int32Array {
  return Int32Array.from(bias, (b, c) => Math.round(b / (inputScale * scales[scales.length === 1 ? 0 : c]!)));
}
