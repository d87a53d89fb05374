import { ThumbnetError } from "../errors.ts";
import { crc32 } from "./crc32.ts";
import type { Image } from "./image.ts";
import { CHECKED_FROM, HEADER, structLayout } from "./layout.ts";
import { readStruct, writeStruct } from "./struct.ts";

/**
 * The least confidence at which exits answer, each in (0, 1]: one for all, or one for each exit, that may be a list
 * with one for each class. 1 is never reached.
 */
export type ExitThreshold = number | readonly (number | readonly number[])[];

/** What a real threshold is compared as: the least measure, in 1/256, that reaches it. */
export function quantizedThreshold(threshold: number): number {
  return Math.ceil(threshold * 256);
}

/**
 * Thresholds as the image holds them: [exits][classes].
 *
 * @param name what error messages call the model
 * @throws ThumbnetError when one is not in (0, 1], or there is not one for each exit or class
 */
export function resolveThresholds(
  name: string,
  exits: number,
  classes: number,
  given: ExitThreshold,
): Uint16Array {
  const fail = (problem: string): never => {
    throw new ThumbnetError(`${name}: ${problem}`);
  };
  if (exits === 0) fail("an exit threshold was given, the model has no exits");
  const isList = Array.isArray(given);
  if (isList && given.length !== exits) {
    fail(`${given.length} exit thresholds were given, the model has ${exits} exits`);
  }
  return Uint16Array.from({ length: exits * classes }, (_, i) => {
    const [exit, c] = [Math.floor(i / classes), i % classes];
    const own: number | readonly number[] = isList ? given[exit] : (given as number);
    if (Array.isArray(own) && own.length !== classes) {
      fail(`${own.length} thresholds were given for exit ${exit}, it has ${classes} classes`);
    }
    const value = Array.isArray(own) ? own[c] : own;
    if (!(typeof value === "number" && value > 0 && value <= 1)) {
      fail(`the threshold of exit ${exit} is ${String(value)}; supported: above 0, up to 1`);
    }
    return quantizedThreshold(value);
  });
}

/** The bytes of u16 values in the image's order. */
export function thresholdBytes(values: Uint16Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => {
    view.setUint16(2 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}

/**
 * An image with other thresholds.
 *
 * @throws ThumbnetError as `resolveThresholds`
 */
export function withThresholds(image: Image, name: string, given: ExitThreshold): Uint8Array {
  const classes = image.exits[0]?.thresholds.length ?? 0;
  const values = resolveThresholds(name, image.exits.length, classes, given);
  const bytes = image.bytes.slice();
  const view = new DataView(bytes.buffer);
  const { thresholdsOffset } = readStruct<typeof HEADER>(view, 0, structLayout(HEADER));
  bytes.set(thresholdBytes(values), thresholdsOffset);
  writeStruct(view, 0, structLayout(HEADER), { crc32: crc32(bytes.subarray(CHECKED_FROM)) });
  return bytes;
}
