import { mkdirSync } from "node:fs";
import { expect, test } from "vitest";
import { CLIP_SAMPLES, mfcc } from "../../src/data/mfcc.ts";
import { pcm16, wav } from "../support/wav.ts";
import { identityModel, temporaryFolder, tensor, tflite, thumbnet, thumbnetJson } from "./cli.ts";

const { path, write } = temporaryFolder();
const AFFINE = { scale: 0.04, zeroPoint: 2 };
const model = write("mfcc.tflite", identityModel([1, 49, 10, 1], AFFINE));

/** A second of a tone, as loud as 16 bits make it. */
const tone = (hertz: number) =>
  Float32Array.from({ length: CLIP_SAMPLES }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / 16000));
const sound = (name: string, hertz: number) => write(name, wav(pcm16(tone(hertz))));

test("a sound becomes the MFCCs that the model takes", () => {
  const file = sound("tone.wav", 440);
  const stored = Float32Array.from(pcm16ToReal(pcm16(tone(440))));
  const wanted = [...mfcc(stored)].map((v) => Math.max(-128, Math.min(127, Math.round(v / 0.04) + 2)));
  const json = thumbnetJson("run", model, file);
  expect(json.inputs[0].read_as).toBe("MFCCs (speech)");
  const found: number[] = json.results[0].outputs[0].values;
  expect(found).toHaveLength(490);
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1);
  });
  expect(new Set(found).size).toBeGreaterThan(20);
  const other = thumbnetJson("run", model, file, "--front-end", "mlperf");
  expect(other.results[0].outputs[0].values).not.toEqual(found);
  const wide = write("wide.tflite", identityModel([1, 49, 10, 1], { scale: 0.58, zeroPoint: 83 }));
  expect(thumbnetJson("run", wide, file).inputs[0].read_as).toBe("MFCCs (mlperf)");
  expect(thumbnet("run", model, file).stderr).toMatch(/front end "speech" \(--front-end\)/);
});

function pcm16ToReal(bytes: Uint8Array): number[] {
  return Array.from(new Int16Array(bytes.buffer), (value) => value / 2 ** 15);
}

test("folders named as the classes are a data set", () => {
  // Scores are the input itself: the greatest of three raw bytes is the class.
  const three = write(
    "three.tflite",
    tflite(
      "three",
      [tensor("in", [1, 3]), tensor("out", [1, 3])],
      [{ kind: "RESHAPE", inputs: [0], outputs: [1], options: {} }],
      [0],
      [1],
    ),
  );
  const labels = write("names.txt", "up\nsilence\ndown\n");
  for (const [name, bytes] of [
    ["up", [9, 0, 0]],
    ["_silence_", [0, 9, 0]],
    ["down", [7, 0, 5]],
  ] as const) {
    mkdirSync(path(`set/${name}`), { recursive: true });
    write(`set/${name}/a.bin`, Uint8Array.from(bytes));
  }
  const json = thumbnetJson("eval", three, path("set"), "--labels", labels);
  const underscored = write("underscored.txt", "up\n_silence_\ndown\n");
  expect(thumbnetJson("eval", three, path("set"), "--labels", underscored)).toMatchObject({
    count: 3,
    correct: 2,
  });
  expect(json).toMatchObject({ count: 3, correct: 2 });
  expect(json.outputs[0].confusion).toEqual([
    [1, 0, 0],
    [0, 1, 0],
    [1, 0, 0],
  ]);
  const fail = (...args: string[]) => {
    const { code, stderr } = thumbnet("eval", three, path("set"), ...args);
    expect(code).toBe(1);
    return stderr;
  };
  expect(fail()).toMatch(/set: has no y_labels\.csv; folders named as the classes need their names/);
  const wrong = write("wrong.txt", "up\nsilence\nleft\n");
  expect(fail("--labels", wrong)).toMatch(/down: is no class of the model: up, silence, left/);
});

test("what is wrong with a sound is said", () => {
  const error = (...args: string[]) => {
    const { code, stderr } = thumbnet(...args);
    expect(code).toBe(1);
    return stderr;
  };
  const small = write("small.tflite", identityModel([1, 8], AFFINE));
  expect(error("run", small, sound("b.wav", 100))).toMatch(/is a sound; input "in" takes \[1,8\]/);
  const slow = write("slow.wav", wav(pcm16(tone(100)), { sampleRate: 8000 }));
  expect(error("run", model, slow)).toMatch(/slow\.wav: has 8000 samples a second; supported: 16000/);
  expect(error("run", model, write("no.wav", "none"))).toMatch(/no\.wav: is not a WAV file/);
});
