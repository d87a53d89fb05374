/**
 * Guesses why an operator's output is wrong. First by trial: the operator runs again with one parameter changed as a
 * mistaken kernel might have it; a change that gives exactly the wrong bytes is the cause. Then by the pattern of the
 * wrong elements.
 */

import { crc32 } from "../plan/crc32.ts";
import { type DecodedRecord, disassemble } from "../plan/disassemble.ts";
import type { Image } from "../plan/image.ts";
import { CHECKED_FROM, HEADER, recordLayout, structLayout } from "../plan/layout.ts";
import { writeStruct } from "../plan/struct.ts";
import { loadModel } from "../runtime/load.ts";
import type { InputData } from "../runtime/tensors.ts";

type Elements = Int8Array | Uint8Array;

interface Trial {
  readonly cause: string;
  readonly fields: Readonly<Record<string, number>>;
}

export async function findCause(
  image: Image,
  operator: number,
  inputs: readonly InputData[],
  expected: Elements,
  found: Elements,
): Promise<string> {
  const records = disassemble(image.bytes).filter((record) => record.operator === operator);
  const [record] = records;
  if (!record || records.length > 1) return patternOf(expected, found, image, operator, null);
  for (const { cause, fields } of trials(record)) {
    const made = await rerun(image, record, fields, operator, inputs);
    if (made && Buffer.compare(made, bytesOf(found)) === 0) return cause;
  }
  return patternOf(expected, found, image, operator, record);
}

/** What a mistaken kernel may have taken the parameters for. */
function trials({ fields }: DecodedRecord): Trial[] {
  const all: Trial[] = [];
  const change = (cause: string, changed: Record<string, number>) => {
    if (Object.entries(changed).every(([name, value]) => name in fields && fields[name] !== value)) {
      all.push({ cause, fields: changed });
    }
  };
  const { padTop = 0, padLeft = 0, outputZeroPoint = 0 } = fields;
  for (const by of [-1, 1]) {
    const direction = by < 0 ? "less" : "more";
    change(`padding: one row ${direction} on top (off by one)`, { padTop: padTop + by });
    change(`padding: one column ${direction} on the left (off by one)`, { padLeft: padLeft + by });
    change(`padding: one row and one column ${direction} (off by one)`, {
      padTop: padTop + by,
      padLeft: padLeft + by,
    });
    change("zero point: the output's is off by one", { outputZeroPoint: outputZeroPoint + by });
  }
  change("padding: counts as 0 instead of the input zero point", { inputZeroPoint: 0 });
  change("zero point: the output's is left out", { outputZeroPoint: 0 });
  change("zero point: the second input's is left out", { input2ZeroPoint: 0 });
  change("clamp: the activation is left out", { activationMin: -128, activationMax: 127 });
  change("clamp: the activation is left out", { activationMin: -128 });
  change("clamp: the activation is left out", { activationMax: 127 });
  return all;
}

/** The operator's output with changed fields, or null where they make no sound record. */
async function rerun(
  image: Image,
  record: DecodedRecord,
  fields: Readonly<Record<string, number>>,
  operator: number,
  inputs: readonly InputData[],
): Promise<Uint8Array | null> {
  const changed = image.bytes.slice();
  const view = new DataView(changed.buffer);
  try {
    writeStruct(view, record.offset, recordLayout(record.kernel), fields);
  } catch {
    return null;
  }
  writeStruct(view, 0, structLayout(HEADER), { crc32: crc32(changed.subarray(CHECKED_FROM)) });
  const model = await loadModel(changed, { engine: "scalar" });
  try {
    return model.trace(inputs, { arena: true })[operator]!.stored;
  } finally {
    model.dispose();
  }
}

function bytesOf(elements: Elements): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}

function patternOf(
  expected: Elements,
  found: Elements,
  image: Image,
  operator: number,
  record: DecodedRecord | null,
): string {
  const wrong = Array.from(expected.keys()).filter((i) => expected[i] !== found[i]);
  const { activationMin = -128, activationMax = 127 } = record?.fields ?? {};
  const deltas = new Set(wrong.map((i) => found[i]! - expected[i]!));
  const inside = (i: number) => expected[i]! > activationMin && expected[i]! < activationMax;

  const channels = image.operators[operator]!.output.shape.at(-1) ?? 1;
  const wrongChannels = [...new Set(wrong.map((i) => i % channels))];
  const [delta] = deltas;
  const free = Array.from(expected.keys()).filter(inside).length;
  const hasZeroPoint = record !== null && "outputZeroPoint" in record.fields;
  if (
    hasZeroPoint &&
    deltas.size === 1 &&
    wrong.length > 1 &&
    wrong.filter(inside).length >= 0.9 * free &&
    free > 0
  ) {
    return `zero point: every element is off by ${delta}`;
  }
  if (wrong.every((i) => found[i]! < activationMin || found[i]! > activationMax)) {
    return `clamp: elements lie outside ${activationMin} to ${activationMax}`;
  }
  if (record && isBorderOnly(wrong, record, image.operators[operator]!.output.shape)) {
    return "padding: only elements whose window reaches into the padding are wrong";
  }
  if ([...deltas].every((d) => Math.abs(d) === 1)) {
    return "rounding mode: elements are off by one (the chip's kernels round twice: ties up, then ties away from zero)";
  }
  if (wrongChannels.length <= channels / 2) {
    const listed = wrongChannels
      .sort((a, b) => a - b)
      .slice(0, 8)
      .join(", ");
    return `parameters of a channel (weights, bias, multiplier or shift): only channels ${listed}${wrongChannels.length > 8 ? ", …" : ""} are wrong`;
  }
  return "no known pattern";
}

/** Whether all wrong elements, and not all elements there are, have a window that reaches into the padding. */
function isBorderOnly(
  wrong: readonly number[],
  { fields }: DecodedRecord,
  shape: readonly number[],
): boolean {
  const { kernelHeight, kernelWidth, padTop, padLeft, inputHeight, inputWidth } = fields;
  if (kernelHeight === undefined || padTop === undefined || shape.length !== 4) return false;
  const [, height, width, channels] = shape as [number, number, number, number];
  const reaches = (at: number, stride: number, pad: number, taps: number, dilation: number, size: number) =>
    at * stride < pad || at * stride - pad + (taps - 1) * dilation >= size;
  const isBorder = (y: number, x: number) =>
    reaches(y, fields.strideHeight!, padTop, kernelHeight, fields.dilationHeight!, inputHeight!) ||
    reaches(x, fields.strideWidth!, padLeft!, kernelWidth!, fields.dilationWidth!, inputWidth!);
  const pixels = new Set(wrong.map((i) => Math.floor(i / channels) % (height * width)));
  const at = (pixel: number) => isBorder(Math.floor(pixel / width), pixel % width);
  const borders = Array.from({ length: height * width }, (_, pixel) => at(pixel)).filter(Boolean).length;
  return borders < height * width && wrong.length >= 4 && [...pixels].every(at);
}
