import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { SOURCES } from "../fetch/sources.ts";
import { isFile, isFolder, listFiles, listFolders } from "./files.ts";
import { openKwsSet } from "./kws-set.ts";
import { isMnistFolder, openMnist } from "./mnist-set.ts";
import { isCifarFolder, openCifar, openPictureSet } from "./picture-set.ts";
import { isPicture } from "./pictures.ts";
import type { TrainingSet } from "./training-set.ts";
import { openWavSet } from "./wav-set.ts";

/** Whether the first folder of a folder, or the first folder in that, holds such a file. */
async function holds(folder: string, matches: (file: string) => boolean): Promise<boolean> {
  for (const name of await listFolders(folder)) {
    const inside = join(folder, name);
    if ((await listFiles(inside)).some(matches)) return true;
    for (const deeper of await listFolders(inside)) {
      if ((await listFiles(join(inside, deeper))).some(matches)) return true;
    }
  }
  return false;
}

/**
 * Opens a training set, by what a folder holds: log-mel pictures as `.npy`, CIFAR-10, MNIST, or folders of WAV files
 * or pictures, one a class.
 *
 * @param pictureShape [height, width, channels] that pictures of folders are stretched to
 * @param withUnlabelled whether examples without a class are wanted, for a teacher to answer
 * @throws ThumbnetError when it is no folder, or holds no training set
 */
export async function openTrainingSet(
  folder: string,
  pictureShape: readonly [number, number, number],
  withUnlabelled = false,
): Promise<TrainingSet> {
  const fetched = SOURCES.find(({ name }) => name === folder);
  const isThere = await isFolder(folder).catch((error: unknown) => {
    throw fetched
      ? new ThumbnetError(`${(error as Error).message}; thumbnet fetch ${fetched.name} makes it`)
      : error;
  });
  if (!isThere) throw new ThumbnetError(`${folder}: is a file; a training set is a folder`);
  if (await isFile(join(folder, "logmel_train.npy"))) return openKwsSet(folder);
  if (await isCifarFolder(folder)) return openCifar(folder);
  if (await isMnistFolder(folder)) return openMnist(folder);
  if (await holds(folder, (file) => /\.wav$/i.test(file))) return openWavSet(folder);
  if (await holds(folder, isPicture)) return openPictureSet(folder, pictureShape, withUnlabelled);
  const expected = "logmel_train.npy, data_batch_1.png, or folders of .wav files or pictures, one a class";
  throw new ThumbnetError(`${folder}: holds no training set: ${expected}`);
}
