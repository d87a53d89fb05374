/** What several commands share. */
import { basename } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { readWhole } from "../data/files.ts";
import type { ModelInputs, ReadOptions } from "../data/inputs.ts";
import { describeRaw, RAW_TYPES } from "../data/raw.ts";
import { FRONT_END_NAMES } from "../data/sounds.ts";
import { readImage } from "../plan/image.ts";
import { OPTIMIZE, type Optimize } from "../plan/plan.ts";
import { type ExitThreshold, withThresholds } from "../plan/thresholds.ts";
import { formatJson } from "../report/json.ts";
import { formatPercent } from "../report/table.ts";
import type { Engine } from "../runtime/engine.ts";
import { loadModel } from "../runtime/load.ts";
import type { Model } from "../runtime/model.ts";
import type { OutputData } from "../runtime/tensors.ts";

export const engineOption = () =>
  new Option("--engine <engine>", "kernels to run; default: simd where the machine has it").choices([
    "simd",
    "scalar",
  ]);

export const optimizeOption = () =>
  new Option(
    "--optimize <aim>",
    "plan a .tflite for few cycles, little flash or little RAM; no output changes by a bit",
  )
    .choices([...OPTIMIZE])
    .default("speed" satisfies Optimize);

export const inputTypeOption = () =>
  new Option(
    "--input-type <type>",
    "elements of raw files (uint8: minus 128; float32: little-endian, quantised)",
  )
    .choices([...RAW_TYPES, "auto"])
    .default("auto");

export const frontEndOption = () =>
  new Option(
    "--front-end <name>",
    "from sounds to MFCCs, as the model was trained; default: what fits the range of its input",
  ).choices(FRONT_END_NAMES);

export const exitThresholdOption = () =>
  new Option(
    "--exit-threshold <P>",
    "confidence above 0, up to 1, at which early exits answer (1: never); P1,P2,…: of each exit; default: the file's",
  ).argParser(parseExitThreshold);

function parseExitThreshold(text: string): ExitThreshold {
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!values.every((value) => value > 0 && value <= 1)) {
    throw new InvalidArgumentError(
      "It must be a number above 0, up to 1, or one for each exit with commas between.",
    );
  }
  return values.length === 1 ? values[0]! : values;
}

export const jsonOption = () => new Option("--json", "print JSON");

/** What INPUT stands for, in the help of commands that take one. */
export const INPUT_HELP = `
An INPUT is a raw tensor file (one input or many, one after the other), a .png, .jpg or .jpeg picture, a .wav sound,
or a folder: with a y_labels.csv (lines file,classes,label) its files in that order, else its .bin, .raw, picture and
sound files by name. A model of several inputs takes one INPUT for each, all of the same count.

Raw files hold what the model declares, unless --input-type says otherwise. One exception: three-channel inputs
of a folder with y_labels.csv are uint8, as MLPerf Tiny keeps pictures; 128 is subtracted.

Pictures are turned upright, put on black where transparent, stretched to the input's height and width with an
antialiasing bilinear filter, and made gray (Rec. 601 luma) for one channel. A pixel p in 0..255 becomes p - 128.

Sounds (16 kHz) are for models that take MFCCs, [1,49,10,1]. What is shorter than a second is put between zeros, of
what is longer the second with the most energy is taken. Front ends: speech, of networks that thumbnet trains; mlperf,
of MLPerf Tiny's keyword-spotting reference model.`;

export interface EngineOptions {
  readonly engine?: Engine;
  readonly json?: boolean;
}

export interface InputOptions extends EngineOptions, ReadOptions {}

export interface ExitOptions {
  readonly exitThreshold?: ExitThreshold;
}

/** The image with other thresholds of its exits, where such are asked for. */
export function withExitOptions(image: Uint8Array, name: string, { exitThreshold }: ExitOptions): Uint8Array {
  return exitThreshold === undefined ? image : withThresholds(readImage(image, name), name, exitThreshold);
}

export interface PlanOptions {
  /** Of no effect on an image, which holds its plan. */
  readonly optimize: Optimize;
}

export async function openModel(
  path: string,
  { engine, optimize }: EngineOptions & PlanOptions,
): Promise<Model> {
  const bytes = await readWhole(path);
  return loadModel(bytes, { name: basename(path), optimize, ...(engine ? { engine } : {}) });
}

/** A remark for people: on standard error, so that standard output stays what was asked for. */
export function note(message: string): void {
  process.stderr.write(`${message}\n`);
}

export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(formatJson(value));
}

/** How the inputs were read, for JSON; a choice that was made for the user is also told on standard error. */
export function inputReading(model: Pick<Model, "inputs">, inputs: ModelInputs, options: InputOptions) {
  return model.inputs.map((info, i) => {
    const type = inputs.rawTypes[i] ?? null;
    const frontEnd = inputs.frontEnds[i] ?? null;
    const which = model.inputs.length > 1 ? ` of "${info.name}"` : "";
    if (type !== null && options.inputType === "auto") {
      note(`raw inputs${which} are read as ${describeRaw(type, info)} (--input-type auto)`);
    }
    if (frontEnd !== null && options.frontEnd === undefined) {
      note(`sounds${which} become MFCCs by the front end "${frontEnd}" (--front-end)`);
    }
    const readAs = type ?? (frontEnd === null ? "picture" : `MFCCs (${frontEnd})`);
    return { name: info.name, shape: info.shape, read_as: readAs };
  });
}

/** `94.13 %`: of accuracies, whose hundredths count. */
export const percent = (share: number) => formatPercent(share, 2);

/** A parser of option values. */
export function parseWhole(minimum: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,15}$/.test(text) && Number(text) >= minimum) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from ${minimum}.`);
  };
}

/** A parser of option values. */
export function parseNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a number from ${minimum} to ${maximum}.`);
  };
}

/** For commands that tell times on the chip. */
export const clockOption = () =>
  new Option("--clock <MHz>", "clock of the chip to tell the time for").default(125).argParser(parseClock);

function parseClock(text: string): number {
  const clock = Number(text);
  if (/^[\d.]+$/.test(text) && clock >= 0.001 && clock <= 10_000) return clock;
  throw new InvalidArgumentError("It must be a number of MHz from 0.001 to 10000.");
}

export const milliseconds = (cycles: number, clock: number) => cycles / clock / 1000;

/** The stored bytes of an input or output. */
export function storedBytes({ buffer, byteOffset, byteLength }: OutputData): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
