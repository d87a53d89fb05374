/** Keyword spotting from log-mel pictures: `logmel_<part>.npy` uint8 [N,49,40] and `labels_<part>.npy`. */
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { augmentSpeech, SPEECH_AUGMENTATION, scaleSpeechAugmentation } from "./augment-speech.ts";
import { COEFFICIENTS, cepstrum, FRAMES, LOG_MEL_FLOOR, LOG_MEL_STEP, MEL_BINS } from "./cepstrum.ts";
import { npyType, readNpy, readNpyLabels } from "./npy.ts";
import type { Examples, TrainingSet, Variation } from "./training-set.ts";

/** In the order of MLPerf Tiny. */
export const KWS_CLASSES: readonly string[] = [
  "down",
  "go",
  "left",
  "no",
  "off",
  "on",
  "right",
  "stop",
  "up",
  "yes",
  "silence",
  "unknown",
];

const PIXELS = FRAMES * MEL_BINS;

/** The natural logarithm of mel power that each pixel value stands for. */
const LOG_MEL = Float32Array.from({ length: 256 }, (_, pixel) => LOG_MEL_FLOOR + LOG_MEL_STEP * pixel);

/** Clips as log-mel pictures; variants of them have clips of silence as background noise. */
export class LogMelExamples implements Examples {
  readonly count: number;
  readonly labels: Uint16Array;
  readonly #pixels: Uint8Array;
  readonly #silence: Uint32Array;
  readonly #clip = new Float32Array(PIXELS);
  readonly #noise = new Float32Array(PIXELS);
  readonly #variant = new Float32Array(PIXELS);

  /**
   * @param pixels [N, FRAMES, MEL_BINS]
   * @param silence the class of clips that are background noise; -1: there is none, and variants have no noise
   */
  constructor(pixels: Uint8Array, labels: Uint16Array, silence: number) {
    this.count = labels.length;
    this.labels = labels;
    this.#pixels = pixels;
    this.#silence = Uint32Array.from(labels.keys()).filter((i) => labels[i] === silence);
  }

  #read(index: number, out: Float32Array): Float32Array {
    for (let i = 0; i < PIXELS; i++) out[i] = LOG_MEL[this.#pixels[index * PIXELS + i]!]!;
    return out;
  }

  write(index: number, out: Float32Array, offset: number, variation: Variation | null): void {
    let clip = this.#read(index, this.#clip);
    if (variation !== null) {
      const { random, strength } = variation;
      const noises = this.#silence;
      const noise = () => this.#read(noises[random.integer(0, noises.length - 1)]!, this.#noise);
      const limits = scaleSpeechAugmentation(SPEECH_AUGMENTATION, strength);
      augmentSpeech(clip, noises.length > 0 ? noise : null, this.#variant, random, limits);
      clip = this.#variant;
    }
    cepstrum(clip, out, offset);
  }
}

async function readPart(folder: string, part: string): Promise<LogMelExamples> {
  const path = join(folder, `logmel_${part}.npy`);
  const { shape, data } = await readNpy(path);
  if (!(data instanceof Uint8Array) || shape.length !== 3 || shape[1] !== FRAMES || shape[2] !== MEL_BINS) {
    throw new ThumbnetError(
      `${path}: has the shape ${formatShape(shape)} of ${npyType(data)}; expected: uint8 [N,${FRAMES},${MEL_BINS}]`,
    );
  }
  const labels = await readNpyLabels(join(folder, `labels_${part}.npy`), shape[0]!, KWS_CLASSES.length);
  return new LogMelExamples(data, labels, KWS_CLASSES.indexOf("silence"));
}

/** Reads a keyword-spotting set; inputs are MFCCs [49,10,1]. @throws ThumbnetError naming the file */
export async function openKwsSet(folder: string): Promise<TrainingSet> {
  // One after the other: of several that are wrong the first one is named.
  const train = await readPart(folder, "train");
  const validation = await readPart(folder, "val");
  const test = await readPart(folder, "test");
  return {
    name: "kws",
    inputShape: [FRAMES, COEFFICIENTS, 1],
    classes: KWS_CLASSES,
    train,
    validation,
    test,
  };
}
