/** Sound files as inputs of models that take MFCCs. */
import { ThumbnetError } from "../errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { type OutputData, quantize, type TensorInfo } from "../runtime/tensors.ts";
import { COEFFICIENTS, FRAMES } from "./cepstrum.ts";
import { readWhole } from "./files.ts";
import { type FrontEnd, MLPERF_FRONT_END, mfcc, SAMPLE_RATE, SPEECH_FRONT_END } from "./mfcc.ts";
import { parseWav } from "./wav.ts";

const FRONT_ENDS = {
  /** Of networks that thumbnet trains. */
  speech: SPEECH_FRONT_END,
  /** Of MLPerf Tiny's reference model. */
  mlperf: MLPERF_FRONT_END,
} as const satisfies Readonly<Record<string, FrontEnd>>;

export type FrontEndName = keyof typeof FRONT_ENDS;

export const FRONT_END_NAMES = Object.keys(FRONT_ENDS) as readonly FrontEndName[];

export const isSound = (path: string): boolean => /\.wav$/i.test(path);

const SHAPE = [1, FRAMES, COEFFICIENTS, 1];

/** Normalised coefficients of speech lie within some ten deviations; MLPerf Tiny's, which are not, within hundreds. */
const NORMALIZED_RANGE = 50;

/** The front end that fits the range of a model's input. */
export function chooseFrontEnd({ scale }: TensorInfo): FrontEndName {
  return 255 * scale < NORMALIZED_RANGE ? "speech" : "mlperf";
}

/** @throws ThumbnetError when a model takes no MFCCs */
export function checkSoundInput(path: string, { name, shape }: TensorInfo): void {
  if (sameShape(shape, SHAPE)) return;
  throw new ThumbnetError(
    `${path}: is a sound; input "${name}" takes ${formatShape(shape)}, sounds become ${formatShape(SHAPE)}`,
  );
}

/** Reads sound at 16 kHz. @throws ThumbnetError naming the file */
export async function readSound(path: string): Promise<Float32Array> {
  const { sampleRate, samples } = parseWav(await readWhole(path), path);
  if (sampleRate !== SAMPLE_RATE) {
    throw new ThumbnetError(`${path}: has ${sampleRate} samples a second; supported: ${SAMPLE_RATE}`);
  }
  return samples;
}

/** A sound as a model takes it: the MFCCs of one second. @throws ThumbnetError naming the file */
export async function readSoundInput(
  path: string,
  info: TensorInfo,
  frontEnd: FrontEndName,
): Promise<OutputData> {
  checkSoundInput(path, info);
  return quantize(mfcc(await readSound(path), FRONT_ENDS[frontEnd]), info);
}
