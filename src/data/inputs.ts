import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import type { OutputData, TensorInfo } from "../runtime/tensors.ts";
import { fileBytes, isFile, isFolder, listFiles, readRange } from "./files.ts";
import { DATASET_FILE, readDataset } from "./labels.ts";
import { isPicture, pictureShape, readPicture } from "./pictures.ts";
import { decodeRaw, type RawType, rawBytes, rawCount } from "./raw.ts";
import { checkSoundInput, chooseFrontEnd, type FrontEndName, isSound, readSoundInput } from "./sounds.ts";

/** One input of a model, read when it is asked for. */
export interface Sample {
  readonly name: string;
  /** The stored values, ready for the model. @throws ThumbnetError naming the file */
  read(): Promise<OutputData>;
}

/** How files are read. */
export interface ReadOptions {
  /** Raw files; `auto`: as the model declares, but uint8 for colour pictures of a folder with a `y_labels.csv`. */
  readonly inputType: RawType | "auto";
  /** Sounds; default: what fits the range of the model's input. */
  readonly frontEnd?: FrontEndName;
}

export interface SampleSet {
  readonly samples: readonly Sample[];
  /** How raw files are read; null when there are none. */
  readonly rawType: RawType | null;
  /** How sounds are read; null when there are none. */
  readonly frontEnd: FrontEndName | null;
}

const RAW = /\.(bin|raw)$/i;

/** Whether a file can be an input, by its name. */
export const isInput = (name: string): boolean => RAW.test(name) || isPicture(name) || isSound(name);

/** What `auto` reads raw files as: a data set's colour pictures hold 0..255, all else what the model declares. */
function chooseType(info: TensorInfo, isDataset: boolean): RawType {
  const isColour = info.shape.length === 4 && info.shape[3] === 3;
  return isDataset && isColour ? "uint8" : info.dtype;
}

/** The inputs of a folder: as `y_labels.csv` orders them or, without one, raw files, pictures and sounds by name. */
async function folderFiles(folder: string, isDataset: boolean): Promise<string[]> {
  if (isDataset) return (await readDataset(folder)).map(({ file }) => file);
  const names = (await listFiles(folder)).filter(isInput).sort();
  if (names.length === 0) {
    throw new ThumbnetError(
      `${folder}: holds no inputs: no ${DATASET_FILE}, no file named .bin, .raw, .png, .jpg, .jpeg or .wav`,
    );
  }
  return names;
}

/** The samples of one file. Its length is checked now, its content is read later. */
async function fileSamples(
  path: string,
  name: string,
  { rawType: type, frontEnd }: { rawType: RawType; frontEnd: FrontEndName },
  info: TensorInfo,
): Promise<Sample[]> {
  if (isSound(path)) {
    checkSoundInput(path, info);
    await fileBytes(path);
    return [{ name, read: () => readSoundInput(path, info, frontEnd) }];
  }
  if (isPicture(path)) {
    pictureShape(path, info);
    await fileBytes(path);
    return [{ name, read: () => readPicture(path, info) }];
  }
  const count = rawCount(path, await fileBytes(path), type, info);
  const each = rawBytes(type, info);
  return Array.from({ length: count }, (_, i) => ({
    name: count === 1 ? name : `${name}[${i}]`,
    read: async () => {
      const bytes = await readRange(path, i * each, each);
      try {
        return decodeRaw(bytes, type, info);
      } catch (error) {
        throw error instanceof ThumbnetError ? new ThumbnetError(`${path}: ${error.message}`) : error;
      }
    },
  }));
}

/**
 * The inputs that paths stand for, in order: raw files (one input or many, one after the other), pictures,
 * sounds, and folders of them. Lengths are checked at once, so that what is missing or cut off is known before long work.
 *
 * @throws ThumbnetError naming the file
 */
export async function openSamples(
  paths: readonly string[],
  info: TensorInfo,
  { inputType: type, frontEnd = chooseFrontEnd(info) }: ReadOptions,
): Promise<SampleSet> {
  const samples: Sample[] = [];
  let hasSounds = false;
  let chosen: { type: RawType; path: string } | null = null;
  for (const path of paths) {
    const inFolder = await isFolder(path);
    const isDataset = inFolder && (await isFile(join(path, DATASET_FILE)));
    const pathType = type === "auto" ? chooseType(info, isDataset) : type;
    for (const name of inFolder ? await folderFiles(path, isDataset) : [path]) {
      const file = inFolder ? join(path, name) : path;
      if (isSound(file)) hasSounds = true;
      else if (!isPicture(file)) {
        chosen ??= { type: pathType, path };
        if (chosen.type !== pathType) {
          const found = `${chosen.path} would be read as ${chosen.type}, ${path} as ${pathType}`;
          throw new ThumbnetError(`${found}: choose with --input-type`);
        }
      }
      for (const sample of await fileSamples(file, name, { rawType: pathType, frontEnd }, info))
        samples.push(sample);
    }
  }
  return { samples, rawType: chosen?.type ?? null, frontEnd: hasSounds ? frontEnd : null };
}

/** Inputs for all of a model's input tensors. */
export interface ModelInputs {
  readonly count: number;
  /** For each of the model's inputs, how raw files are read. */
  readonly rawTypes: readonly (RawType | null)[];
  /** For each of the model's inputs, how sounds are read. */
  readonly frontEnds: readonly (FrontEndName | null)[];
  name(index: number): string;
  /** The data of each input tensor, as `Model.runAll` takes it. */
  read(index: number): Promise<OutputData[]>;
}

/**
 * As `openSamples`, for a whole model. A model of one input takes any number of paths; one of several takes
 * as many paths as it has inputs, all with as many samples.
 */
export async function openInputs(
  paths: readonly string[],
  inputs: readonly TensorInfo[],
  options: ReadOptions,
): Promise<ModelInputs> {
  const groups = inputs.length === 1 ? [paths] : paths.map((path) => [path]);
  if (groups.length !== inputs.length) {
    const names = inputs.map(({ name }) => `"${name}"`).join(", ");
    throw new ThumbnetError(
      `the model has ${inputs.length} inputs (${names}): give one INPUT for each, not ${paths.length}`,
    );
  }
  const sets: SampleSet[] = [];
  for (const [i, group] of groups.entries()) sets.push(await openSamples(group, inputs[i]!, options));
  const count = sets[0]!.samples.length;
  const odd = sets.findIndex(({ samples }) => samples.length !== count);
  if (odd > 0) {
    throw new ThumbnetError(
      `${paths[odd]} holds ${sets[odd]!.samples.length} inputs, ${paths[0]} ${count}: they must be as many`,
    );
  }
  return {
    count,
    rawTypes: sets.map(({ rawType }) => rawType),
    frontEnds: sets.map(({ frontEnd }) => frontEnd),
    name: (index) => sets[0]!.samples[index]!.name,
    read: (index) => Promise.all(sets.map(({ samples }) => samples[index]!.read())),
  };
}
