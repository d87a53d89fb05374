/** The block of an image that says how the sums of an operator become int8; see `REQUANTIZATION` in `layout.ts`. */
import { REQUANTIZATION, REQUANTIZATION_FORMS, structLayout } from "./layout.ts";
import type { Multiplier } from "./multiplier.ts";
import { readStruct, writeStruct } from "./struct.ts";
import { type WeightOrder, weightSums } from "./weights.ts";

const HEADER = structLayout(REQUANTIZATION);

export interface ExactRequantization {
  readonly form: "exact";
  /** Of each channel; modulo 2^32, as the accumulator is. */
  readonly bias: Int32Array;
  /** One, or one for each channel. */
  readonly multipliers: readonly Multiplier[];
}

/** activationMin + ((S * high + ((S * low) >> productShift) + offset) >> outputShift). */
export interface TwoPartRequantization {
  readonly form: "two-part";
  readonly productShift: number;
  readonly outputShift: number;
  readonly channels: readonly TwoPartChannel[];
}

export interface TwoPartChannel {
  /** int16 */
  readonly high: number;
  /** int16 */
  readonly low: number;
  /** int32 */
  readonly offset: number;
}

export type Requantization = ExactRequantization | TwoPartRequantization;

/**
 * The exact requantisation of an operator whose accumulator is sum of (x - zero point of x) * (w - zero point of w) +
 * bias. Sums in the image are of (x + 128): its bias takes off what they have too much.
 */
export function exactRequantization(
  bias: Int32Array,
  multipliers: readonly Multiplier[],
  { weights, order, inputZeroPoint, weightsZeroPoint = 0 }: SumOperands,
  { least, most } = weightSums(weights, bias.length, order, weightsZeroPoint),
): Uint8Array {
  const folded = new Int32Array(bias.length);
  for (let c = 0; c < folded.length; c++) {
    folded[c] = bias[c]! - Math.imul(inputZeroPoint + 128, least[c]! + most[c]!);
  }
  return encodeRequantization({ form: "exact", bias: folded, multipliers });
}

export interface SumOperands {
  readonly weights: Int8Array;
  readonly order: WeightOrder;
  readonly inputZeroPoint: number;
  readonly weightsZeroPoint?: number;
}

export function encodeRequantization(r: Requantization): Uint8Array {
  return r.form === "exact" ? encodeExact(r) : encodeTwoPart(r);
}

function encodeExact({ bias, multipliers }: ExactRequantization): Uint8Array {
  const channels = bias.length;
  const factors = HEADER.bytes + 4 * channels;
  const shifts = factors + 4 * multipliers.length;
  const view = new DataView(new ArrayBuffer(shifts + multipliers.length));
  const perChannel = Number(multipliers.length === channels);
  writeStruct(view, 0, HEADER, { form: REQUANTIZATION_FORMS.EXACT, perChannel, channels });
  new Uint8Array(view.buffer).set(
    new Uint8Array(bias.buffer, bias.byteOffset, bias.byteLength),
    HEADER.bytes,
  );
  for (let c = 0; c < multipliers.length; c++) {
    view.setInt32(factors + 4 * c, multipliers[c]!.multiplier, true);
    view.setInt8(shifts + c, multipliers[c]!.shift);
  }
  return new Uint8Array(view.buffer);
}

function encodeTwoPart({ productShift, outputShift, channels }: TwoPartRequantization): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER.bytes + 8 * channels.length));
  const form = REQUANTIZATION_FORMS.TWO_PART;
  writeStruct(view, 0, HEADER, { form, productShift, outputShift, perChannel: 1, channels: channels.length });
  channels.forEach(({ high, low, offset }, c) => {
    const at = HEADER.bytes + 8 * c;
    view.setInt16(at, low, true);
    view.setInt16(at + 2, high, true);
    view.setInt32(at + 4, offset, true);
  });
  return new Uint8Array(view.buffer);
}

/** Reads a block back: what {@link encodeRequantization} made, or the bytes of an image from there on. */
export function decodeRequantization(bytes: Uint8Array): Requantization {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readStruct<typeof REQUANTIZATION>(view, 0, HEADER);
  const count = header.channels;
  if (header.form === REQUANTIZATION_FORMS.TWO_PART) {
    const channels = Array.from({ length: count }, (_, c) => {
      const at = HEADER.bytes + 8 * c;
      return {
        low: view.getInt16(at, true),
        high: view.getInt16(at + 2, true),
        offset: view.getInt32(at + 4, true),
      };
    });
    const { productShift, outputShift } = header;
    return { form: "two-part", productShift, outputShift, channels };
  }
  const factors = HEADER.bytes + 4 * count;
  const factorCount = header.perChannel ? count : 1;
  return {
    form: "exact",
    bias: Int32Array.from({ length: count }, (_, c) => view.getInt32(HEADER.bytes + 4 * c, true)),
    multipliers: Array.from({ length: factorCount }, (_, c) => ({
      multiplier: view.getInt32(factors + 4 * c, true),
      shift: view.getInt8(factors + 4 * factorCount + c),
    })),
  };
}
