import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { quantize } from "../../src/runtime/tensors.ts";
import { hasShared, readShared, sharedPath } from "../support/shared.ts";
import { identityModel, smallModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const small = write("small.tflite", smallModel());
/** Two rows of three, as they are given. */
const identity = write("identity.tflite", identityModel([1, 2, 3], { scale: 0.25, zeroPoint: 3 }));
const bytes = (...values: number[]) => Uint8Array.from(values);

/** Gives its uint8 input back, by way of int8. */
function uint8Model(shape: readonly number[]): Uint8Array {
  const outside = { dtype: "uint8", zeroPoint: 128 } as const;
  const tensors = [tensor("in", shape, outside), tensor("inside", shape), tensor("out", shape, outside)];
  const operators = [
    { kind: "QUANTIZE", inputs: [0], outputs: [1], options: {} },
    { kind: "QUANTIZE", inputs: [1], outputs: [2], options: {} },
  ] as const;
  return tflite("uint8", tensors, [...operators], [0], [2]);
}

/** The bytes that `--out` writes. */
function outBytes(model: string, inputs: readonly string[], ...options: string[]): number[] {
  const out = path("out.bin");
  const { code, stderr } = thumbnet("run", model, ...inputs, "--out", out, ...options);
  expect({ code, stderr: stderr.replace(/^raw inputs .*\n/gm, "") }).toEqual({ code: 0, stderr: "" });
  return [...new Int8Array(readFileSync(out))];
}

/** The message of a run that must fail, and leave nothing behind. */
function failure(model: string, inputs: readonly string[], ...options: string[]): string {
  const out = path("never.bin");
  const { code, stdout, stderr } = thumbnet("run", model, ...inputs, "--out", out, ...options);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(readdirSync(dirname(out)).filter((name) => name.startsWith("never"))).toEqual([]);
  const [, message] = /^(?:raw inputs .*\n)?thumbnet: ([^\n]+)\n$/.exec(stderr) ?? [];
  expect(message, stderr).toBeDefined();
  return message!;
}

describe("raw files", () => {
  test("hold one input or many, one after the other, and files follow one another", () => {
    const two = write("two.bin", bytes(1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255));
    const one = write("one.bin", bytes(9, 9, 9, 9, 9, 128));
    expect(outBytes(identity, [two, one])).toEqual([
      1, 2, 3, 4, 5, 6, -6, -5, -4, -3, -2, -1, 9, 9, 9, 9, 9, -128,
    ]);
    const { results, count } = thumbnetJson("run", identity, two, one);
    expect(count).toBe(3);
    expect(results.map(({ name }: { name: string }) => name)).toEqual([`${two}[0]`, `${two}[1]`, one]);
  });

  test("are uint8 minus 128 with --input-type uint8", () => {
    const file = write("uint8.bin", bytes(0, 1, 127, 128, 129, 255));
    expect(outBytes(identity, [file], "--input-type", "uint8")).toEqual([-128, -127, -1, 0, 1, 127]);
    expect(outBytes(identity, [file], "--input-type", "int8")).toEqual([0, 1, 127, -128, -127, -1]);
  });

  test("are quantised with --input-type float32", () => {
    const values = Float32Array.of(0, 0.25, -0.125, 1e9, Number.NEGATIVE_INFINITY, 0.3);
    const file = write("float.bin", new Uint8Array(values.buffer));
    const info = {
      name: "in",
      shape: [1, 2, 3],
      dtype: "int8",
      scale: 0.25,
      zeroPoint: 3,
      elements: 6,
    } as const;
    const expected = outBytes(identity, [file], "--input-type", "float32");
    expect(expected).toEqual([3, 4, 2, 127, -128, 4]);
    expect(expected).toEqual([...quantize(values, info)]);
  });

  test("of a uint8 model are uint8 where nothing is said, and int8 plus 128 on demand", () => {
    const model = write("uint8.tflite", uint8Model([1, 3]));
    const file = write("three.bin", bytes(0, 128, 255));
    expect(outBytes(model, [file])).toEqual([0, -128, -1]);
    expect(thumbnetJson("run", model, file).inputs[0].read_as).toBe("uint8");
    expect(outBytes(model, [file], "--input-type", "int8")).toEqual([-128, 0, 127]);
  });

  test("of a float32 model are float32 where nothing is said; float32 outputs are written as int8", () => {
    const tensors = [
      tensor("in", [1, 3], { dtype: "float32" }),
      tensor("inside", [1, 3], { scale: 0.5, zeroPoint: 1 }),
      tensor("out", [1, 3], { dtype: "float32" }),
    ];
    const operators = [
      { kind: "QUANTIZE", inputs: [0], outputs: [1], options: {} },
      { kind: "DEQUANTIZE", inputs: [1], outputs: [2], options: {} },
    ] as const;
    const model = write("float.tflite", tflite("float", tensors, [...operators], [0], [2]));
    const file = write("three.f32", new Uint8Array(Float32Array.of(0, 2, -1).buffer));
    expect(outBytes(model, [file])).toEqual([1, 5, -1]);
    const { inputs, results } = thumbnetJson("run", model, file);
    expect(inputs[0].read_as).toBe("float32");
    expect(results[0].outputs[0]).toMatchObject({ top_class: 1, score: 2 });
  });

  test("of a wrong length: found and expected are named", () => {
    const message = failure(identity, [write("short.bin", bytes(1, 2, 3, 4, 5, 6, 7))]);
    expect(message).toMatch(
      /short\.bin: has 7 bytes; input "in" \[1,2,3\] takes 6 bytes of int8, or a whole multiple$/,
    );
    const floats = failure(identity, [write("short.f32", bytes(1, 2, 3, 4))], "--input-type", "float32");
    expect(floats).toContain("takes 24 bytes of float32");
  });

  test("with NaN, missing, empty, or a wrong one after good ones: nothing is written", () => {
    const good = write("good.bin", bytes(1, 2, 3, 4, 5, 6));
    const nan = write("nan.bin", new Uint8Array(Float32Array.of(1, 2, Number.NaN, 0, 0, 0).buffer));
    expect(failure(identity, [nan], "--input-type", "float32")).toMatch(
      /nan\.bin: input "in": element 2 is NaN$/,
    );
    expect(failure(identity, [good, path("absent.bin")])).toMatch(/absent\.bin: no such file or folder$/);
    expect(failure(identity, [good, write("zero.bin", "")])).toMatch(/zero\.bin: is empty$/);
    expect(failure(identity, [good, write("long.bin", bytes(1))])).toContain("has 1 bytes");
  });
});

test("--out is refused where no file can be written, before anything runs", () => {
  const input = write("in.bin", bytes(1, 2, 3, 4, 5, 6));
  for (const [out, message] of [
    [dirname(input), "is a folder, a file is expected"],
    [path("absent/out.bin"), "no such file or folder"],
    [`${input}/out.bin`, "is not a folder"],
  ] as const) {
    const { code, stdout, stderr } = thumbnet("run", identity, input, "--out", out);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
  }
});

test("--out replaces a file as a whole and leaves no other", () => {
  const out = write("replaced.bin", "something longer that was there before");
  thumbnet("run", identity, write("in.bin", bytes(1, 2, 3, 4, 5, 6)), "--out", out);
  expect([...readFileSync(out)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(readdirSync(dirname(out)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

describe("folders", () => {
  mkdirSync(path("plain"));
  mkdirSync(path("labelled"));
  write("plain/b.bin", bytes(2, 0, 0, 0, 0, 0));
  write("plain/a.bin", bytes(1, 0, 0, 0, 0, 0));
  write("plain/C.raw", bytes(3, 0, 0, 0, 0, 0));
  write("plain/notes.txt", "left aside");
  write("labelled/b.bin", bytes(2, 0, 0, 0, 0, 0));
  write("labelled/a,b.bin", bytes(1, 0, 0, 0, 0, 0));
  write("labelled/unlisted.bin", bytes(9, 0, 0, 0, 0, 0));
  write("labelled/y_labels.csv", "b.bin,2,0\r\n\na,b.bin,2,1\n");

  test("without y_labels.csv: raw files and pictures by name", () => {
    const { results } = thumbnetJson("run", identity, path("plain"));
    expect(results.map(({ name }: { name: string }) => name)).toEqual(["C.raw", "a.bin", "b.bin"]);
  });

  test("with y_labels.csv: its files in its order", () => {
    expect(outBytes(identity, [path("labelled")])).toEqual([2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
  });

  test("with y_labels.csv are uint8 for three channels, int8 else; what was chosen is said", () => {
    const colour = write("colour.tflite", identityModel([1, 1, 2, 3]));
    const { stderr } = thumbnet("run", colour, path("labelled"));
    expect(stderr).toBe("raw inputs are read as uint8, minus 128 (--input-type auto)\n");
    expect(thumbnetJson("run", colour, path("labelled")).inputs[0].read_as).toBe("uint8");
    expect(outBytes(colour, [path("labelled")])).toEqual(
      [2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0].map((value) => value - 128),
    );
    expect(outBytes(colour, [path("labelled")], "--input-type", "int8")).toEqual([
      2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
    ]);
    expect(outBytes(colour, [path("plain/a.bin")])).toEqual([1, 0, 0, 0, 0, 0]);
    expect(thumbnetJson("run", identity, path("labelled")).inputs[0].read_as).toBe("int8");
    expect(failure(colour, [path("labelled"), path("plain")])).toMatch(
      /as uint8, .* as int8: choose with --input-type$/,
    );
  });

  test("that hold nothing, name a missing file, or have a line that is none", () => {
    mkdirSync(path("bare"));
    expect(failure(identity, [path("bare")])).toContain("holds no inputs");
    mkdirSync(path("wrong"));
    write("wrong/y_labels.csv", "absent.bin,2,0\n");
    expect(failure(identity, [path("wrong")])).toMatch(/wrong\/absent\.bin: no such file or folder$/);
    write("wrong/y_labels.csv", "a.bin,2,0\na.bin;2;0\n");
    expect(failure(identity, [path("wrong")])).toMatch(
      /y_labels\.csv: line 2 is "a\.bin;2;0"; expected: a file, the number of classes and a label, as in a\.bin,12,3$/,
    );
    write("wrong/y_labels.csv", "\n");
    expect(failure(identity, [path("wrong")])).toContain("names no files");
  });
});

describe("results", () => {
  const scores = write("scores.tflite", identityModel([1, 4], { scale: 1 / 256, zeroPoint: -128 }));
  const input = write("scores.bin", bytes(128, 0, 0, 200));

  test("name the first top class and its real value", () => {
    const [result] = thumbnetJson("run", scores, input).results;
    expect(result).toEqual({
      name: input,
      outputs: [{ name: "out", top_class: 1, label: null, score: 0.5, values: [-128, 0, 0, -56] }],
    });
    expect(thumbnet("run", scores, input).stdout).toMatch(/scores\.bin +1 +0\.5000 +-128 0 0 -56$/m);
  });

  test("bear labels: of --labels, or of labels.txt beside the model where it fits", () => {
    const labels = write("names.txt", "one\ntwo\nthree\nfour\n");
    expect(thumbnetJson("run", scores, input, "--labels", labels).results[0].outputs[0].label).toBe("two");

    mkdirSync(path("beside"));
    const model = write("beside/model.tflite", readFileSync(scores));
    write("beside/labels.txt", "a\nb\nc\nd");
    expect(thumbnet("run", model, input).stdout).toMatch(/ 1 +b +0\.5/);
    write("beside/labels.txt", "a\nb\nc");
    const { code, stderr } = thumbnet("run", model, input);
    expect(code).toBe(0);
    expect(stderr).toMatch(/labels\.txt: has 3 labels, the model's output has 4 elements; left aside/);
    expect(failure(model, [input], "--labels", path("beside/labels.txt"))).toMatch(/has 3 labels/);
  });

  test("of names with escape sequences do not reach the terminal as such", () => {
    const file = write("\u001b[31mred.bin", bytes(1, 2, 3, 4));
    const { code, stdout } = thumbnet("run", scores, file);
    expect(code).toBe(0);
    expect(stdout).toContain("?[31mred.bin");
    expect(stdout).not.toContain("\u001b");
  });

  test("are the same on both engines, and on none other", () => {
    const file = write(
      "small.bin",
      Uint8Array.from({ length: 64 }, (_, i) => 29 * i + 5),
    );
    const simd = thumbnetJson("run", small, file, "--engine", "simd");
    const scalar = thumbnetJson("run", small, file, "--engine", "scalar");
    expect([simd.engine, scalar.engine]).toEqual(["simd", "scalar"]);
    expect(simd.results).toEqual(scalar.results);
    expect(new Set(simd.results[0].outputs[0].values).size).toBeGreaterThan(1);
  });
});

describe("a model of several inputs and outputs", () => {
  const tensors = [
    tensor("left", [1, 2]),
    tensor("right", [1, 1]),
    tensor("both", [1, 3]),
    tensor("relu", [1, 3]),
  ];
  const operators = [
    { kind: "CONCATENATION", inputs: [0, 1], outputs: [2], options: { axis: 1, activation: "NONE" } },
    { kind: "RELU", inputs: [2], outputs: [3], options: {} },
  ] as const;
  const model = write("join.tflite", tflite("join", tensors, [...operators], [0, 1], [3, 2]));
  const left = write("left.bin", bytes(1, 2, 255, 4));
  const right = write("right.bin", bytes(10, 20));

  test("takes an INPUT for each and writes outputs in the model's order", () => {
    expect(outBytes(model, [left, right])).toEqual([1, 2, 10, 1, 2, 10, 0, 4, 20, -1, 4, 20]);
    const { results } = thumbnetJson("run", model, left, right);
    expect(results[1].outputs.map(({ name, values }: Record<string, unknown>) => [name, values])).toEqual([
      ["relu", [0, 4, 20]],
      ["both", [-1, 4, 20]],
    ]);
  });

  test("refuses another number of INPUTs, and INPUTs of different counts", () => {
    expect(failure(model, [left])).toBe(
      'the model has 2 inputs ("left", "right"): give one INPUT for each, not 1',
    );
    expect(failure(model, [left, write("three.bin", bytes(1, 2, 3))])).toMatch(
      /three\.bin holds 3 inputs, .*left\.bin 2/,
    );
  });
});

describe("pictures", () => {
  const gray = write("gray.tflite", identityModel([1, 2, 3, 1]));
  const colour = write("rgb.tflite", identityModel([1, 2, 2, 3]));
  const unsigned = write("unsigned.tflite", uint8Model([1, 2, 2, 3]));
  const signed = (pixels: readonly number[]) => pixels.map((pixel) => pixel - 128);

  async function picture(
    name: string,
    pixels: readonly number[],
    width: number,
    height: number,
  ): Promise<string> {
    const channels = (pixels.length / (width * height)) as 1 | 3 | 4;
    const image = sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });
    await (channels === 1 ? image.toColourspace("b-w") : image).png().toFile(path(name));
    return path(name);
  }

  test("of the input's size come through pixel by pixel, minus 128", async () => {
    const pixels = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];
    const file = await picture("rgb.png", pixels, 2, 2);
    expect(outBytes(colour, [file])).toEqual(signed(pixels));
    expect(thumbnetJson("run", colour, file).inputs[0].read_as).toBe("picture");
    const grays = [0, 1, 77, 128, 200, 255];
    expect(outBytes(gray, [await picture("gray.png", grays, 3, 2)])).toEqual(signed(grays));
  });

  test("become gray by Rec. 601 luma, gray ones become RGB", async () => {
    const file = await picture(
      "luma.png",
      [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 0, 0, 0, 255, 255, 0],
      3,
      2,
    );
    // 0.299 R + 0.587 G + 0.114 B, rounded
    expect(outBytes(gray, [file])).toEqual(signed([76, 150, 29, 9, 0, 226]));
    const flat = await picture("flat.png", [3, 60, 120, 250], 2, 2);
    expect(outBytes(colour, [flat])).toEqual(signed([3, 3, 3, 60, 60, 60, 120, 120, 120, 250, 250, 250]));
  });

  test("stand on black where they are transparent", async () => {
    const file = await picture(
      "alpha.png",
      [255, 9, 9, 255, 200, 200, 200, 0, 255, 0, 0, 51, 0, 0, 0, 9],
      2,
      2,
    );
    expect(outBytes(colour, [file])).toEqual(signed([255, 9, 9, 0, 0, 0, 51, 0, 0, 0, 0, 0]));
  });

  test("are stretched to the input: halves stay halves", async () => {
    const rows = [200, 40].flatMap((value) => Array<number>(16 * 8 * 3).fill(value));
    const file = await picture("tall.png", rows, 16, 16);
    const [a, b] = [200 - 128, 40 - 128];
    const out = outBytes(colour, [file]);
    // The filter is wider than a pixel: the halves mix a little at the border.
    expect(Math.max(...out.slice(0, 6).map((value) => Math.abs(value - a)))).toBeLessThan(25);
    expect(Math.max(...out.slice(6).map((value) => Math.abs(value - b)))).toBeLessThan(25);
    expect(out[0]! + out[6]!).toBe(a + b);
  });

  test("of a uint8 model keep 0..255", async () => {
    const pixels = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];
    const out = outBytes(unsigned, [await picture("unsigned.png", pixels, 2, 2)]);
    expect(out.map((value) => value & 255)).toEqual(pixels);
  });

  test("are turned upright, and JPEG is read", async () => {
    const black = [0, 0, 0];
    const white = [255, 255, 255];
    const pixels = Uint8Array.from([black, white, black, white].flat());
    const image = sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } });
    // Orientation 6: to be turned clockwise, so the left column becomes the top row.
    await image.withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toFile(path("turned.jpg"));
    expect(outBytes(colour, [path("turned.jpg")])).toEqual(signed([black, black, white, white].flat()));
  });

  test("that are cut off, none, or for an input that is none", async () => {
    const noise = Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 13) & 255);
    const whole = readFileSync(await picture("noise.png", noise, 32, 32));
    expect(failure(colour, [write("cut.png", whole.subarray(0, whole.length / 2))])).toMatch(
      /cut\.png: cannot be read as a picture: /,
    );
    const jpeg = await sharp(path("noise.png")).jpeg().toBuffer();
    expect(failure(colour, [write("cut.jpg", jpeg.subarray(0, jpeg.length / 2))])).toMatch(
      /cut\.jpg: cannot be read as a picture: /,
    );
    expect(failure(colour, [write("text.png", "hello")])).toMatch(
      /text\.png: is neither a PNG nor a JPEG file$/,
    );
    expect(failure(identity, [path("noise.png")])).toMatch(/has the shape \[1,2,3\]; a picture goes into/);
    expect(failure(write("four.tflite", identityModel([1, 2, 2, 4])), [path("noise.png")])).toContain(
      "[1,2,2,4]",
    );
  });
});

describe.skipIf(!hasShared)("the reference models give the chip's bytes", () => {
  test.each([
    ["kws_ref_model", "kws_ref_model", ["data", "kws01"], "simd"],
    ["kws_ref_model", "kws_ref_model", ["data", "kws01"], "scalar"],
    ["vww_96_int8", "vww_96_int8", ["data", "vww01"], "simd"],
    ["pretrainedResnet_quant", "pretrainedResnet_quant", ["data", "ic01"], "simd"],
    ["ad01_int8", "ad01_int8", ["golden", "inputs", "ad.bin"], "simd"],
    ["str_ww_ref_model", "str_ww_ref_model_rand", ["golden", "inputs", "sww_rand.bin"], "simd"],
  ])("%s on the inputs of %s (%s, %s)", (model, golden, input, engine) => {
    const out = path("golden.bin");
    const file = sharedPath("models", "mlperf-tiny", `${model}.tflite`);
    const { code } = thumbnet("run", file, sharedPath(...input), "--out", out, "--engine", engine);
    expect(code).toBe(0);
    expect(Buffer.compare(readFileSync(out), readShared("golden", `${golden}.bin`))).toBe(0);
  });
});
