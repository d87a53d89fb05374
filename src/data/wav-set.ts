/** Keyword spotting from folders of WAV files, one folder a class. */
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { COEFFICIENTS, FRAMES, LOG_MEL_FLOOR, LOG_MEL_STEP } from "./cepstrum.ts";
import { Collection } from "./collection.ts";
import { isFile, listFiles, listFolders, readLines } from "./files.ts";
import { KWS_CLASSES, LogMelExamples } from "./kws-set.ts";
import { checkTaught, className } from "./labels.ts";
import { CLIP_SAMPLES, logMel, oneSecond } from "./mfcc.ts";
import { isSound, readSound } from "./sounds.ts";
import { PARTS, type Part, partOf } from "./split.ts";
import type { TrainingSet } from "./training-set.ts";

/** Long recordings of noise, which become clips of silence: the name that Speech Commands has for their folder. */
const NOISE_FOLDER = "_background_noise_";
/** Start to start, of the clips that a long recording is cut into. */
const NOISE_STEP = CLIP_SAMPLES / 2;

/** A second as a picture: what is louder than the brightest pixel becomes that. */
export function logMelPicture(samples: Float32Array): Uint8Array {
  return Uint8Array.from(logMel(samples), (value) =>
    Math.min(255, Math.round((value - LOG_MEL_FLOOR) / LOG_MEL_STEP)),
  );
}

interface Classes {
  readonly names: readonly string[];
  /** The class of a folder. */
  of(folder: string): number;
}

/** Where the ten words of MLPerf Tiny are among the folders, its classes, other words being `unknown`; else all. */
function classesOf(folders: readonly string[]): Classes {
  const found = new Set(folders.map(className));
  const words = KWS_CLASSES.slice(0, 10);
  const isKws = words.every((word) => found.has(word));
  const names = isKws ? KWS_CLASSES : [...found].sort();
  const unknown = names.indexOf("unknown");
  return {
    names,
    of: (folder) => {
      const index = names.indexOf(className(folder));
      return index >= 0 ? index : unknown;
    },
  };
}

/** Files that a list beside the folders names; `null` where there is no such list. */
async function readList(path: string): Promise<Set<string> | null> {
  return (await isFile(path)) ? new Set(await readLines(path)) : null;
}

/** The part that each file belongs to: as Speech Commands' lists say or, without them, by speaker. */
async function splitter(folder: string): Promise<(file: string) => Part> {
  const validation = await readList(join(folder, "validation_list.txt"));
  const test = await readList(join(folder, "testing_list.txt"));
  if (validation === null || test === null) {
    return (file) => partOf(file.replace(/^.*\//, "").replace(/_nohash_.*$/, ""));
  }
  return (file) => (validation.has(file) ? "validation" : test.has(file) ? "test" : "train");
}

/**
 * Reads folders of WAV files (16 kHz), one folder a class; inputs are MFCCs [49,10,1]. Speech Commands as it is
 * unpacked becomes the twelve classes of MLPerf Tiny: its lists of validation and test files are followed, words
 * that are none of the ten are `unknown`, and clips of `silence` are cut from `_background_noise_`.
 *
 * @throws ThumbnetError naming the file that cannot be read, or where a part has no examples
 */
export async function openWavSet(folder: string): Promise<TrainingSet> {
  const folders = (await listFolders(folder)).sort();
  const classes = classesOf(folders.filter((name) => name !== NOISE_FOLDER));
  const silence = classes.names.indexOf("silence");
  const partOfFile = await splitter(folder);
  const parts = { train: new Collection(), validation: new Collection(), test: new Collection() };
  for (const name of folders) {
    const files = (await listFiles(join(folder, name))).filter(isSound).sort();
    for (const file of files) {
      const samples = await readSound(join(folder, name, file));
      if (name !== NOISE_FOLDER) {
        parts[partOfFile(`${name}/${file}`)].add(logMelPicture(oneSecond(samples)), classes.of(name));
        continue;
      }
      if (silence < 0) break;
      for (let start = 0; start + CLIP_SAMPLES <= samples.length; start += NOISE_STEP) {
        // Neighbours share half of their sound: they must not be on both sides of the split.
        const part = partOf(`${file} ${Math.floor(start / (10 * CLIP_SAMPLES))}`);
        parts[part].add(logMelPicture(samples.subarray(start, start + CLIP_SAMPLES)), silence);
      }
    }
  }
  const [train, validation, test] = PARTS.map((part) => {
    const examples = new LogMelExamples(parts[part].pixels(), parts[part].labels(), silence);
    if (examples.count === 0) throw new ThumbnetError(`${folder}: has no WAV files for the part ${part}`);
    return examples;
  });
  // What is unknown or silence may come of no folder of its own.
  const taught = folders.filter((name) => name !== NOISE_FOLDER).map(className);
  checkTaught(
    folder,
    taught.filter((name) => classes.names.includes(name)),
    classes.names,
    train!.labels,
  );
  return {
    name: "wav",
    inputShape: [FRAMES, COEFFICIENTS, 1],
    classes: classes.names,
    train: train!,
    validation: validation!,
    test: test!,
  };
}
