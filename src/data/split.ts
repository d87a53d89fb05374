/** Which examples train, which validate and which test, where a data set does not say. */
import { crc32 } from "../plan/crc32.ts";

export const PARTS = ["train", "validation", "test"] as const;
export type Part = (typeof PARTS)[number];

/**
 * Eight tenths train, a tenth validates, a tenth tests: by the checksum of a name, so that it is always the same
 * and new examples do not move old ones.
 *
 * @param name what must not be on both sides, a speaker's name for example
 */
export function partOf(name: string): Part {
  const tenth = crc32(new TextEncoder().encode(name)) % 10;
  return tenth < 8 ? "train" : tenth === 8 ? "validation" : "test";
}
