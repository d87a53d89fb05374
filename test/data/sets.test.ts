import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { KWS_CLASSES } from "../../src/data/kws-set.ts";
import { openTrainingSet } from "../../src/data/open-set.ts";
import { CIFAR_CLASSES, readPictureFolder } from "../../src/data/picture-set.ts";
import { Random } from "../../src/data/random.ts";
import { partOf } from "../../src/data/split.ts";
import { type Examples, inputsOf, UNLABELLED } from "../../src/data/training-set.ts";
import { temporaryFolder } from "../cli/cli.ts";
import { npy } from "../support/npy.ts";
import { pcm16, wav } from "../support/wav.ts";

const folder = temporaryFolder();

function write(path: string, content: Uint8Array | string): string {
  mkdirSync(dirname(folder.path(path)), { recursive: true });
  return folder.write(path, content);
}

const open = (name: string, shape: readonly [number, number, number] = [8, 8, 3]) =>
  openTrainingSet(folder.path(name), shape);

const first = (examples: Examples, elements: number) => inputsOf(examples, [0], elements);

/** Every variant of an example is the same for the same seed and another for another, and stays within bounds. */
function expectVariants(examples: Examples, elements: number, low: number, high: number): void {
  const variant = (seed: number, strength = 1) =>
    inputsOf(examples, [0], elements, () => ({ random: new Random(seed), strength }));
  // In float32 a resampled value may differ by a rounding.
  const unchanged = first(examples, elements);
  variant(1, 0).forEach((value, i) => {
    expect(value).toBeCloseTo(unchanged[i]!, 3);
  });
  expect(variant(1)).toEqual(variant(1));
  expect(variant(1)).not.toEqual(variant(2));
  expect(variant(1)).not.toEqual(first(examples, elements));
  for (let seed = 0; seed < 50; seed++) {
    for (const value of variant(seed)) expect(value >= low && value <= high).toBe(true);
  }
}

describe("log-mel pictures", () => {
  const part = (name: string, labels: readonly number[], frames = 49) => {
    const pixels = Uint8Array.from({ length: labels.length * frames * 40 }, (_, i) => (i * 7) % 200);
    write(
      `${name.split(" ")[0]}/logmel_${name.split(" ")[1]}.npy`,
      npy("|u1", [labels.length, frames, 40], pixels),
    );
    const values = npy("|u1", [labels.length], Uint8Array.from(labels));
    write(`${name.split(" ")[0]}/labels_${name.split(" ")[1]}.npy`, values);
  };

  test("become coefficients", async () => {
    for (const [name, labels] of [
      ["train", [0, 10, 11]],
      ["val", [1, 10]],
      ["test", [2]],
    ] as const) {
      part(`kws ${name}`, labels);
    }
    const set = await open("kws");
    expect(set.inputShape).toEqual([49, 10, 1]);
    expect(set.classes).toEqual(KWS_CLASSES);
    expect([set.train, set.validation, set.test].map(({ labels }) => [...labels])).toEqual([
      [0, 10, 11],
      [1, 10],
      [2],
    ]);
    expectVariants(set.train, 490, -30, 30);
    expectVariants(set.test, 490, -30, 30);
  });

  test("of another size or with labels that are none are refused", async () => {
    for (const name of ["train", "val", "test"]) part(`wide ${name}`, [0], 50);
    await expect(open("wide")).rejects.toThrow(
      /logmel_train\.npy: has the shape \[1,50,40\] of uint8; expected: uint8 \[N,49,40\]/,
    );
    for (const name of ["train", "val", "test"]) part(`floats ${name}`, [0]);
    write("floats/logmel_train.npy", npy("<f4", [1, 49, 40], new Float32Array(49 * 40)));
    await expect(open("floats")).rejects.toThrow(
      /logmel_train\.npy: has the shape \[1,49,40\] of float32; expected: uint8/,
    );
    for (const name of ["train", "val"]) part(`odd ${name}`, [0]);
    part("odd test", [0, 12]);
    await expect(open("odd")).rejects.toThrow(/labels_test\.npy: label 1 is 12; with 12 classes: 0 to 11/);
  });
});

describe("folders of WAV files", () => {
  const tone = (hertz: number) =>
    wav(
      pcm16(
        Float32Array.from({ length: 12000 }, (_, i) => 0.3 * Math.sin((2 * Math.PI * hertz * i) / 16000)),
      ),
    );
  /** Names that fall into each part. */
  const speakers = ["train", "validation", "test"].map((part) => {
    const index = Array.from({ length: 200 }, (_, i) => i).find((i) => partOf(`s${i}`) === part);
    return `s${index}`;
  });

  test("are parted by speaker, and folders are classes", async () => {
    for (const speaker of speakers) {
      for (const [i, word] of ["beep", "boop"].entries()) {
        for (const take of [0, 1]) write(`tones/${word}/${speaker}_nohash_${take}.wav`, tone(400 + 900 * i));
      }
    }
    const set = await open("tones");
    expect(set.classes).toEqual(["beep", "boop"]);
    for (const part of [set.train, set.validation, set.test]) expect([...part.labels]).toEqual([0, 0, 1, 1]);
    const elements = 490;
    const [low, alsoLow, high] = [0, 1, 2].map((i) => inputsOf(set.train, [i], elements));
    expect(low).toEqual(alsoLow);
    expect(low).not.toEqual(high);
    expectVariants(set.train, elements, -30, 30);
  });

  test("of Speech Commands become MLPerf Tiny's classes, as its lists part them", async () => {
    for (const word of [...KWS_CLASSES.slice(0, 10), "bird", "tree"]) {
      for (const take of ["a", "b", "c"]) write(`speech/${word}/${take}_nohash_0.wav`, tone(600));
    }
    const listed = (take: string) => ["go", "bird"].map((word) => `${word}/${take}_nohash_0.wav\n`).join("");
    write("speech/validation_list.txt", listed("b"));
    write("speech/testing_list.txt", listed("c"));
    const noise = Float32Array.from({ length: 16000 * 130 }, (_, i) => ((i * 7919) % 997) / 5000);
    write("speech/_background_noise_/hiss.wav", wav(pcm16(noise)));
    const set = await open("speech");
    expect(set.classes).toEqual(KWS_CLASSES);
    const words = (examples: Examples) => [...examples.labels].map((label) => KWS_CLASSES[label]);
    const spoken = (examples: Examples) => words(examples).filter((word) => word !== "silence");
    expect(spoken(set.validation)).toEqual(["unknown", "go"]);
    expect(spoken(set.test)).toEqual(["unknown", "go"]);
    // Three of each word, less what the lists take; two words are unknown.
    expect(spoken(set.train)).toHaveLength(36 - 4);
    expect(spoken(set.train).filter((word) => word === "unknown")).toHaveLength(6 - 2);
    const silences = [set.train, set.validation, set.test].map(
      (part) => words(part).length - spoken(part).length,
    );
    expect(silences.reduce((a, b) => a + b)).toBe(259);
    for (const count of silences) expect(count % 20 === 0 || count % 20 === 19).toBe(true);
  });

  test("that are damaged, of another rate, or none for a part are refused", async () => {
    write("rate/a/x.wav", wav(pcm16([0, 0]), { sampleRate: 8000 }));
    write("rate/b/x.wav", tone(400));
    await expect(open("rate")).rejects.toThrow(
      /rate\/a\/x\.wav: has 8000 samples a second; supported: 16000/,
    );
    write("cut/a/x.wav", tone(400).subarray(0, 100));
    await expect(open("cut")).rejects.toThrow(/cut\/a\/x\.wav: is cut off/);
    write("few/a/x.wav", tone(400));
    await expect(open("few")).rejects.toThrow(/few: has no WAV files for the part (train|validation|test)/);
    for (const speaker of speakers) write(`alone/beep/${speaker}_nohash_0.wav`, tone(400));
    await expect(open("alone")).rejects.toThrow(/alone: has 1 folders of examples; two or more are classes/);
    mkdirSync(folder.path("alone/boop"));
    await expect(open("alone")).rejects.toThrow(/alone: has no training examples of the class "boop"/);
  });
});

/** A PNG of one colour. */
const plain = (red: number, green: number, blue: number, size = 8) =>
  sharp({ create: { width: size, height: size, channels: 3, background: { r: red, g: green, b: blue } } })
    .png()
    .toBuffer();

describe("folders of pictures", () => {
  test("parted by folders, stretched, and pixels between 0 and 1", async () => {
    for (const part of ["train", "validation", "test"]) {
      write(`parted/${part}/blue/1.png`, await plain(0, 0, 255, 12));
      write(`parted/${part}/red/1.png`, await plain(255, 0, 0));
      write(`parted/${part}/red/2.png`, await plain(102, 0, 0));
    }
    const set = await open("parted", [8, 8, 3]);
    expect(set.classes).toEqual(["blue", "red"]);
    expect([...set.validation.labels]).toEqual([0, 1, 1]);
    expect(set.inputAffine).toEqual({ scale: Math.fround(1 / 255), zeroPoint: -128 });
    const [blue, dark] = [inputsOf(set.train, [0], 192), inputsOf(set.train, [2], 192)];
    expect([...blue.subarray(0, 6)]).toEqual([0, 0, 1, 0, 0, 1]);
    expect(dark[0]).toBeCloseTo(0.4, 6);
    expectVariants(set.train, 192, 0, 1);
  });

  test("parted by name, without what has no label", async () => {
    for (let i = 0; i < 40; i++) {
      write(`named/dark/${i}.png`, await plain(i, i, i));
      write(`named/light/${i}.png`, await plain(200 + i, 200, 200));
      write(`named/unlabelled/${i}.png`, await plain(100, 100, 100));
    }
    const set = await open("named", [4, 4, 1]);
    expect(set.classes).toEqual(["dark", "light"]);
    const counts = [set.train, set.validation, set.test].map(({ count }) => count);
    expect(counts.reduce((a, b) => a + b)).toBe(80);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(counts[0]).toBeGreaterThan(50);
    const { names, pixels } = await readPictureFolder(folder.path("named/unlabelled"), [4, 4, 1]);
    expect(names).toHaveLength(40);
    expect(new Set(pixels)).toEqual(new Set([100]));

    const all = await openTrainingSet(folder.path("named"), [4, 4, 1], true);
    const missing = ({ labels }: Examples) => labels.filter((label) => label === UNLABELLED).length;
    expect([missing(all.train) + missing(all.validation), missing(all.test)]).toEqual([40, 0]);
    expect(missing(all.validation)).toBeGreaterThan(0);
    const last = all.train.labels.lastIndexOf(UNLABELLED);
    expect(inputsOf(all.train, [last], 16)[0]).toBeCloseTo(100 / 255, 6);
  });

  test("with a class that training has not, a broken picture, or one class are refused", async () => {
    for (const part of ["train", "validation", "test"]) {
      for (const name of ["a", "b"]) write(`more/${part}/${name}/1.png`, await plain(1, 2, 3));
    }
    write("more/test/c/1.png", await plain(1, 2, 3));
    await expect(open("more")).rejects.toThrow(/more\/test\/c: is a class that training has not/);
    write("broken/a/1.png", (await plain(1, 2, 3)).subarray(0, 40));
    write("broken/b/1.png", await plain(1, 2, 3));
    await expect(open("broken")).rejects.toThrow(/broken\/a\/1\.png: cannot be read as a picture/);
    write("one/a/1.png", await plain(1, 2, 3));
    await expect(open("one")).rejects.toThrow(/one: has 1 folders of pictures; two or more are classes/);
    for (let i = 0; i < 40; i++) {
      write(`void/a/${i}.png`, await plain(1, 2, 3));
      write(`half/train/a/${i}.png`, await plain(1, 2, 3));
      write(`half/a/${i}.png`, await plain(1, 2, 3));
    }
    mkdirSync(folder.path("void/b"));
    await expect(open("void")).rejects.toThrow(/void: has no training examples of the class "b"$/);
    await expect(open("half")).rejects.toThrow(
      /half: has no training examples of the class "train"; parts are train, validation, test, all three/,
    );
  });
});

describe("CIFAR-10", () => {
  test("is read from strips of one picture a row", async () => {
    const strip = Buffer.alloc(10000 * 1024 * 3);
    // Row i is picture i: its first pixel says which, its second is red.
    for (let i = 0; i < 10000; i++) strip.set([i % 256, i >> 8, 7, 255, 0, 0], i * 3072);
    const file = await sharp(strip, { raw: { width: 1024, height: 10000, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    for (const name of [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`)) write(`cifar/${name}.png`, file);
    write("cifar/test_batch.png", file);
    write("cifar/test_lables.json", JSON.stringify(Array.from({ length: 10000 }, (_, i) => i % 10)));
    const labels = Array.from({ length: 50000 }, (_, i) => Math.floor(i / 10000));
    write("cifar/train_lables.json", JSON.stringify(labels));
    const set = await open("cifar");
    expect(set.classes).toEqual(CIFAR_CLASSES);
    expect([set.train, set.validation, set.test].map(({ count }) => count)).toEqual([45000, 5000, 10000]);
    expect([set.train.labels[44999], set.validation.labels[0], set.test.labels[13]]).toEqual([4, 4, 3]);
    const pixel = (examples: Examples, index: number) =>
      Array.from(inputsOf(examples, [index], 3072).subarray(0, 6), (value) => Math.round(255 * value));
    expect(pixel(set.train, 20259)).toEqual([259 % 256, 1, 7, 255, 0, 0]);
    expect(pixel(set.validation, 3)).toEqual([5003 % 256, 5003 >> 8, 7, 255, 0, 0]);
    expectVariants(set.test, 3072, 0, 1);

    writeFileSync(folder.path("cifar/test_lables.json"), JSON.stringify([1, 2, 3]));
    await expect(open("cifar")).rejects.toThrow(/test_lables\.json: is no list of 10000 labels from 0 to 9/);
    writeFileSync(folder.path("cifar/test_lables.json"), "[1, 2,");
    await expect(open("cifar")).rejects.toThrow(/test_lables\.json: is no list of 10000 labels from 0 to 9/);
  }, 60000);
});

test("what is no training set says what would be one", async () => {
  write("empty/x.txt", "x");
  await expect(open("empty")).rejects.toThrow(
    /empty: holds no training set: logmel_train\.npy, data_batch_1\.png, or/,
  );
  await expect(open("missing")).rejects.toThrow(/missing: no such file or folder/);
  await expect(open("empty/x.txt")).rejects.toThrow(/x\.txt: is a file; a training set is a folder/);
  await expect(openTrainingSet("cifar10", [32, 32, 3])).rejects.toThrow(
    "cifar10: no such file or folder; thumbnet fetch cifar10 makes it",
  );
});
