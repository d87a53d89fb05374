/** MEAN, on plain integers. */
import { elementCount } from "../../src/graph/shape.ts";
import { clamp, type Multiplier, requantize } from "./arithmetic.ts";

export interface MeanCall {
  readonly inputShape: readonly number[];
  readonly input: Int8Array;
  /** Dimensions to reduce: may be negative (from the end) and may repeat. */
  readonly axes: readonly number[];
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  /** Of the input's scale over the output's; the division by the element count is added by {@link foldCount}. */
  readonly multiplier: number;
  readonly shift: number;
}

/** Multiplier and shift that also divide by `count`, truncating as tflite-micro does. */
export function foldCount({ multiplier, shift }: Multiplier, count: number): Multiplier {
  const bits = Math.min(31 - Math.clz32(count), 32, 31 + shift);
  return { multiplier: Number((BigInt(multiplier) << BigInt(bits)) / BigInt(count)), shift: shift - bits };
}

/** The elements that stay, in their order: the same bytes whether or not reduced dimensions are kept as 1. */
export function mean(call: MeanCall): Int8Array {
  const { inputShape, input } = call;
  const reduced = inputShape.map((_, i) =>
    call.axes.some((axis) => axis === i || axis + inputShape.length === i),
  );
  const outputShape = inputShape.map((size, i) => (reduced[i] ? 1 : size));
  const sums = new Int32Array(elementCount(outputShape));
  for (let i = 0; i < input.length; i++) {
    let rest = i;
    let index = 0;
    let stride = 1;
    for (let d = inputShape.length - 1; d >= 0; d--) {
      if (!reduced[d]) index += (rest % inputShape[d]!) * stride;
      rest = Math.floor(rest / inputShape[d]!);
      stride *= outputShape[d]!;
    }
    sums[index] = sums[index]! + input[i]!;
  }
  const count = input.length / sums.length;
  const folded = foldCount(call, count);
  return Int8Array.from(sums, (sum) => {
    const centred = (sum - count * call.inputZeroPoint) | 0;
    return clamp(
      (requantize(centred, folded.multiplier, folded.shift) + call.outputZeroPoint) | 0,
      -128,
      127,
    );
  });
}
