import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { openEvaluationSet } from "../../src/data/evaluation-set.ts";
import { mfcc } from "../../src/data/mfcc.ts";
import { type Examples, inputsOf, type TrainingSet } from "../../src/data/training-set.ts";
import { pcm16, wav } from "../support/wav.ts";

const root = mkdtempSync(join(tmpdir(), "thumbnet-evaluation-"));
afterAll(() => rmSync(root, { recursive: true }));

function write(name: string, content: Uint8Array | string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), content);
}

const none: Examples = { count: 0, labels: new Uint16Array(0), write: () => {} };
const parts = { train: none, validation: none, test: none };
const PICTURES: TrainingSet = {
  name: "pictures",
  inputShape: [2, 2, 3],
  inputAffine: { scale: 1 / 255, zeroPoint: -128 },
  classes: ["dark", "light"],
  ...parts,
};
const SOUNDS: TrainingSet = { name: "kws", inputShape: [49, 10, 1], classes: ["no", "yes"], ...parts };

const open = (folder: string, data = PICTURES) => openEvaluationSet(join(root, folder), data);

test("listed raw files hold pixels, those in folders what int8 models take; both become what is trained on", async () => {
  const pixels = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
  const wanted = Array.from(pixels, (pixel) => Math.fround(Math.fround(1 / 255) * pixel));
  write("listed/a.bin", pixels);
  write(
    "listed/b.png",
    await sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } })
      .png()
      .toBuffer(),
  );
  write("listed/y_labels.csv", "b.png,2,0\na.bin,2,1\n");
  write(
    "folders/light/a.raw",
    pixels.map((pixel) => pixel ^ 0x80),
  );
  const [listed, folders] = [await open("listed"), await open("folders")];
  expect([...listed.labels]).toEqual([0, 1]);
  expect([...folders.labels]).toEqual([1]);
  expect([...inputsOf(listed, [0], 12)]).toEqual(wanted);
  expect([...inputsOf(listed, [1], 12)]).toEqual(wanted);
  expect([...inputsOf(folders, [0], 12)]).toEqual(wanted);
});

test("sounds become the coefficients that are trained on", async () => {
  const tone = Float32Array.from(
    { length: 16000 },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / 16000),
  );
  write("sounds/_yes_/a.wav", wav(pcm16(tone)));
  const set = await open("sounds", SOUNDS);
  expect([...set.labels]).toEqual([1]);
  const found = inputsOf(set, [0], 490);
  const wanted = mfcc(tone);
  // Pictures of 8 bits stand between: a step of a pixel is about a tenth.
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]!)).toBeLessThan(0.1);
  });
});

test.each<[string, Record<string, string | Uint8Array>, RegExp]>([
  ["missing", {}, /missing: no such file or folder/],
  ["three", { "y_labels.csv": "a.bin,3,0\n" }, /three: has 3 classes, the data set pictures 2/],
  ["gone", { "y_labels.csv": "a.bin,2,0\n" }, /gone\/a\.bin: no such file/],
  [
    "short",
    { "y_labels.csv": "a.bin,2,0\n", "a.bin": "12345" },
    /a\.bin: has 5 bytes; .* takes 12 bytes of uint8/,
  ],
  [
    "two",
    { "y_labels.csv": "a.bin,2,0\n", "a.bin": new Uint8Array(24) },
    /a\.bin: holds 2 inputs; .* one input/,
  ],
  ["label", { "y_labels.csv": "a.bin,2,2\n" }, /a\.bin has the label 2; with 2 classes: 0 to 1/],
  [
    "sound",
    { "y_labels.csv": "a.wav,2,0\n", "a.wav": "x" },
    /sound\/a\.wav: the data set pictures is of pictures/,
  ],
  ["words", { "yes/a.bin": new Uint8Array(12) }, /words\/yes: is no class of the model: dark, light/],
])("%s is refused", async (folder, files, error) => {
  for (const [name, content] of Object.entries(files)) write(`${folder}/${name}`, content);
  await expect(open(folder)).rejects.toThrow(error);
});

test("a file is no evaluation set, raw MFCCs are none of sounds", async () => {
  write("plain", "x");
  await expect(open("plain")).rejects.toThrow(/plain: is a file; an evaluation set is a folder/);
  write("raw/yes/a.bin", new Uint8Array(490));
  await expect(open("raw", SOUNDS)).rejects.toThrow(/raw\/yes\/a\.bin: the data set kws is of sounds/);
});
