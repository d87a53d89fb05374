/** Evaluation sets: labelled files beside a training set, to measure on and for nothing else. */
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { elementCount } from "../graph/shape.ts";
import type { TensorInfo } from "../runtime/tensors.ts";
import { Collection } from "./collection.ts";
import { isFile, isFolder } from "./files.ts";
import { isInput, openSamples } from "./inputs.ts";
import { LogMelExamples } from "./kws-set.ts";
import { checkLabels, DATASET_FILE, readClassFolders, readDataset } from "./labels.ts";
import { oneSecond } from "./mfcc.ts";
import { PictureExamples } from "./picture-set.ts";
import { isSound, readSound } from "./sounds.ts";
import type { Examples, TrainingSet } from "./training-set.ts";
import { logMelPicture } from "./wav-set.ts";

/** Raw files and pictures, as the pixels that training pictures are. */
async function readPixels(path: string, isListed: boolean, { inputShape }: TrainingSet): Promise<Uint8Array> {
  const shape = [1, ...inputShape];
  const elements = elementCount(shape);
  const info: TensorInfo = { name: "input", shape, dtype: "uint8", elements, scale: 1, zeroPoint: 0 };
  // A listed data set holds pixels as they are, as MLPerf Tiny's do; a file that stands alone what int8 models take.
  const { samples } = await openSamples([path], info, { inputType: isListed ? "uint8" : "int8" });
  if (samples.length !== 1) {
    throw new ThumbnetError(`${path}: holds ${samples.length} inputs; supported: one input in each file`);
  }
  return Uint8Array.from(await samples[0]!.read());
}

/**
 * Opens a folder with a `y_labels.csv`, or of folders named as the classes are, of pictures, sounds or raw pictures.
 *
 * @param data the training set whose classes and inputs it must have
 * @throws ThumbnetError naming the file that is wrong
 */
export async function openEvaluationSet(folder: string, data: TrainingSet): Promise<Examples> {
  if (!(await isFolder(folder)))
    throw new ThumbnetError(`${folder}: is a file; an evaluation set is a folder`);
  const isListed = await isFile(join(folder, DATASET_FILE));
  const entries = isListed
    ? await readDataset(folder)
    : await readClassFolders(folder, data.classes, isInput);
  const classes = checkLabels(isListed ? join(folder, DATASET_FILE) : folder, entries);
  if (classes !== data.classes.length) {
    throw new ThumbnetError(
      `${folder}: has ${classes} classes, the data set ${data.name} ${data.classes.length}`,
    );
  }
  const isPictures = data.inputAffine !== undefined;
  const odd = entries.find(({ file }) => isSound(file) === isPictures);
  if (odd !== undefined) {
    throw new ThumbnetError(
      `${join(folder, odd.file)}: the data set ${data.name} is of ${isPictures ? "pictures" : "sounds"}`,
    );
  }
  const collection = new Collection();
  for (const { file, label } of entries) {
    const path = join(folder, file);
    const pixels = isPictures
      ? await readPixels(path, isListed, data)
      : logMelPicture(oneSecond(await readSound(path)));
    collection.add(pixels, label);
  }
  return isPictures
    ? new PictureExamples(collection.pixels(), collection.labels(), data.inputShape)
    : new LogMelExamples(collection.pixels(), collection.labels(), -1);
}
