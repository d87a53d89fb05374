/** What counts depend on beside the record: the image, and how sums become int8. */
import { REQUANTIZATION_FORMS } from "../../plan/layout.ts";
import type { Features } from "./counts.ts";

/** What a record's kernel needs to know of the image, beside the record. */
export interface Surroundings {
  readonly image: Uint8Array;
  /** How sums become int8; null where the kernel has none. */
  readonly requantization: {
    readonly form: number;
    readonly productShift: number;
    readonly outputShift: number;
  } | null;
}

export function isTwoPart({ requantization }: Surroundings): boolean {
  return requantization?.form === REQUANTIZATION_FORMS.TWO_PART;
}

/** Outputs that C requantises, by the form. */
export function requantized(outputs: number, around: Surroundings): Features {
  return isTwoPart(around) ? { twoPart: outputs } : { exact: outputs };
}
