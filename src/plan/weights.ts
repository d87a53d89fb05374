/** Where the weights of a channel lie: [channels, taps], or [taps, channels] as depthwise has them. */
export type WeightOrder = "channels first" | "channels last";

/** The sum of each channel's weights, less the zero point each. */
export function weightSums(
  weights: Int8Array,
  channels: number,
  order: WeightOrder,
  zeroPoint = 0,
): Int32Array {
  const sums = new Int32Array(channels);
  const taps = weights.length / channels;
  if (order === "channels first") {
    for (let c = 0, at = 0; c < channels; c++) {
      let sum = 0;
      for (const end = at + taps; at < end; at++) sum += weights[at]!;
      sums[c] = sum - taps * zeroPoint;
    }
  } else {
    sums.fill(-taps * zeroPoint);
    for (let at = 0; at < weights.length; ) {
      for (let c = 0; c < channels; c++) sums[c]! += weights[at++]!;
    }
  }
  return sums;
}

/** The least and the most that sum of (x + 128) * (w - zero point) can be for each channel, with any int8 x. */
export function sumRanges(
  weights: Int8Array,
  channels: number,
  order: WeightOrder,
  zeroPoint = 0,
): { min: number; max: number }[] {
  const ranges = Array.from({ length: channels }, () => ({ min: 0, max: 0 }));
  forEachWeight(weights, channels, order, (c, w) => {
    const most = 255 * (w - zeroPoint);
    if (most < 0) ranges[c]!.min += most;
    else ranges[c]!.max += most;
  });
  return ranges;
}

function forEachWeight(
  weights: Int8Array,
  channels: number,
  order: WeightOrder,
  action: (channel: number, weight: number) => void,
): void {
  const taps = weights.length / channels;
  const [perChannel, perTap] = order === "channels first" ? [taps, 1] : [1, channels];
  for (let c = 0; c < channels; c++) {
    for (let tap = 0; tap < taps; tap++) action(c, weights[c * perChannel + tap * perTap]!);
  }
}
