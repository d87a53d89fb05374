import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LOG_MEL_FLOOR, LOG_MEL_STEP } from "../../src/data/cepstrum.ts";
import { Fft } from "../../src/data/fft.ts";
import { CLIP_SAMPLES, logMel, MLPERF_FRONT_END, mfcc, oneSecond } from "../../src/data/mfcc.ts";
import { parseNpy } from "../../src/data/npy.ts";
import { parseWav } from "../../src/data/wav.ts";
import { Random } from "../support/random.ts";
import { hasShared, readShared, sharedPath } from "../support/shared.ts";

/** A voice-like clip: harmonics under a moving envelope, in noise. */
function clip(seed: number): Float32Array {
  const random = new Random(seed);
  const pitch = 90 + 200 * random.unit();
  return Float32Array.from({ length: CLIP_SAMPLES }, (_, i) => {
    const t = i / 16000;
    const voice = [1, 2, 3, 5, 8].reduce((sum, k) => sum + Math.sin(2 * Math.PI * k * pitch * t) / k, 0);
    return 0.1 * voice * Math.exp(-20 * (t - 0.5) ** 2) + 0.003 * random.normal();
  });
}

/** The definition, written a second time: a direct transform and filters from their corner frequencies. */
function directLogMel(samples: Float32Array, frame: number): number[] {
  const toMel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700);
  const toHertz = (mel: number) => 700 * (10 ** (mel / 2595) - 1);
  const window = Array.from(
    { length: 480 },
    (_, n) => samples[320 * frame + n]! * Math.sin((Math.PI * n) / 480) ** 2,
  );
  const powers = Array.from({ length: 257 }, (_, k) => {
    let [re, im] = [0, 0];
    window.forEach((value, n) => {
      re += value * Math.cos((2 * Math.PI * k * n) / 512);
      im -= value * Math.sin((2 * Math.PI * k * n) / 512);
    });
    return re * re + im * im;
  });
  const corners = Array.from({ length: 42 }, (_, i) => toHertz((i * toMel(4000)) / 41));
  return Array.from({ length: 40 }, (_, filter) => {
    const [low, middle, high] = corners.slice(filter, filter + 3).map(toMel);
    const energy = powers.reduce((sum, power, k) => {
      const mel = toMel((k * 16000) / 512);
      const weight = mel <= middle! ? (mel - low!) / (middle! - low!) : (high! - mel) / (high! - middle!);
      return sum + power * Math.max(0, weight);
    }, 0);
    return Math.max(Math.log(energy), LOG_MEL_FLOOR);
  });
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    sa += a[i]!;
    sb += b[i]!;
    saa += a[i]! ** 2;
    sbb += b[i]! ** 2;
    sab += a[i]! * b[i]!;
  }
  return (n * sab - sa * sb) / Math.sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
}

function meanDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

test("the transform is the definition's", () => {
  const random = new Random(4);
  for (const size of [2, 8, 64]) {
    const [re, im] = [0, 1].map(() => Float64Array.from({ length: size }, () => random.normal()));
    const wanted = Array.from({ length: size }, (_, k) => {
      let [a, b] = [0, 0];
      for (let n = 0; n < size; n++) {
        const [cosine, sine] = [
          Math.cos((2 * Math.PI * k * n) / size),
          Math.sin((2 * Math.PI * k * n) / size),
        ];
        a += re![n]! * cosine + im![n]! * sine;
        b += im![n]! * cosine - re![n]! * sine;
      }
      return [a, b];
    });
    new Fft(size).transform(re!, im!);
    wanted.forEach(([a, b], k) => {
      expect(re![k]).toBeCloseTo(a!, 9);
      expect(im![k]).toBeCloseTo(b!, 9);
    });
  }
  expect(() => new Fft(48)).toThrow(RangeError);
});

test("log-mel energies are those of a direct transform", () => {
  const samples = clip(1);
  const found = logMel(samples);
  expect(found.length).toBe(49 * 40);
  for (const frame of [0, 1, 24, 48]) {
    directLogMel(samples, frame).forEach((value, bin) => {
      expect(Math.abs(found[frame * 40 + bin]! - value)).toBeLessThan(1e-4);
    });
  }
});

test("silence is the floor everywhere", () => {
  expect(new Set(logMel(new Float32Array(CLIP_SAMPLES)))).toEqual(new Set([Math.fround(LOG_MEL_FLOOR)]));
});

test("coefficients are a cosine transform of the energies, scaled to a deviation of about 1", () => {
  const samples = clip(2);
  const [energies, found] = [logMel(samples), mfcc(samples)];
  expect(found.length).toBe(49 * 10);
  // Of each coefficient over all frames: scale and offset are fixed, whatever the sound.
  for (let k = 0; k < 10; k++) {
    const wanted = Array.from({ length: 49 }, (_, frame) => {
      let sum = 0;
      for (let bin = 0; bin < 40; bin++) {
        sum += energies[frame * 40 + bin]! * Math.cos((Math.PI * k * (2 * bin + 1)) / 80);
      }
      return sum * Math.sqrt(2 / 40);
    });
    const own = Array.from({ length: 49 }, (_, frame) => found[frame * 10 + k]!);
    expect(correlation(own, wanted)).toBeGreaterThan(1 - 1e-9);
  }
});

test("a clip becomes a second: padded, or cut where it is loudest", () => {
  expect(oneSecond(Float32Array.of(1, 2))).toHaveLength(CLIP_SAMPLES);
  expect(oneSecond(Float32Array.of(1, 2)).subarray(7999, 8001)).toEqual(Float32Array.of(1, 2));
  const whole = clip(3);
  expect(oneSecond(whole)).toEqual(whole);
  const long = new Float32Array(50000);
  long.set(whole, 320 * 61);
  expect(correlation(oneSecond(long), whole)).toBeGreaterThan(0.999);
  expect(oneSecond(new Float32Array(0)).every((sample) => sample === 0)).toBe(true);
});

describe.skipIf(!hasShared)("real clips", () => {
  const words = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"];
  const sounds = words.flatMap((word) => {
    const files = readdirSync(sharedPath("data", "kws_wav", word))
      .sort()
      .slice(0, 6);
    return files.map(
      (file) => parseWav(readFileSync(sharedPath("data", "kws_wav", word, file)), file).samples,
    );
  });

  test("are those that the training pictures were made of", () => {
    const { data, shape } = parseNpy(readShared("data", "kws", "logmel_test.npy"), "logmel_test.npy");
    const pictures = data as Uint8Array;
    const elements = shape[1]! * shape[2]!;
    const centred = Array.from({ length: shape[0]! }, (_, i) => {
      const picture = Float32Array.from(pictures.subarray(i * elements, (i + 1) * elements));
      const mean = picture.reduce((sum, value) => sum + value, 0) / elements;
      const length = Math.sqrt(picture.reduce((sum, value) => sum + (value - mean) ** 2, 0)) || 1;
      return picture.map((value) => (value - mean) / length);
    });
    const pairs = sounds.map((samples) => {
      const energies = logMel(oneSecond(samples));
      let [best, most] = [0, Number.NEGATIVE_INFINITY];
      centred.forEach((picture, i) => {
        let product = 0;
        for (let j = 0; j < elements; j++) product += picture[j]! * energies[j]!;
        if (product > most) [best, most] = [i, product];
      });
      const picture = pictures.subarray(best * elements, (best + 1) * elements);
      return { energies, picture, similarity: correlation(energies, picture) };
    });
    // Speech Commands' own test clips and those of the split by speaker are the same but for a few.
    const same = pairs.filter(({ similarity }) => similarity > 0.98);
    expect(same.length).toBeGreaterThan(0.7 * sounds.length);

    // The constants that pictures are read with: the line through all pixels that are not clipped.
    const points = same.flatMap(({ energies, picture }) =>
      Array.from(picture, (pixel, i) => [pixel, energies[i]!] as const).filter(([pixel]) => pixel > 20),
    );
    const [x, y] = [points.map(([pixel]) => pixel), points.map(([, energy]) => energy)];
    expect(correlation(x, y)).toBeGreaterThan(0.993);
    const error = points.reduce(
      (sum, [pixel, energy]) => sum + LOG_MEL_FLOOR + LOG_MEL_STEP * pixel - energy,
      0,
    );
    expect(Math.abs(error / points.length)).toBeLessThan(0.05);
  });

  test("give the inputs of MLPerf Tiny's reference model", () => {
    const folder = sharedPath("data", "kws01");
    // By class: a name ends in it. Its inputs are int8, scale 0.5847029, zero point 83, rounded down.
    const inputs = new Map<string, Int8Array[]>();
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".bin"))) {
      const word = name.split("_")[2]!.toLowerCase();
      const bytes = readFileSync(`${folder}/${name}`);
      inputs.set(word, [
        ...(inputs.get(word) ?? []),
        new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
      ]);
    }
    const equal: number[] = [];
    for (const word of ["down", "left", "stop", "yes"]) {
      for (const file of readdirSync(sharedPath("data", "kws_wav", word))) {
        const { samples } = parseWav(readFileSync(sharedPath("data", "kws_wav", word, file)), file);
        // Such short words are padded at their end there.
        const second = new Float32Array(CLIP_SAMPLES);
        second.set(samples);
        const ours = mfcc(second, MLPERF_FRONT_END).map((value) =>
          Math.max(-128, Math.min(127, Math.floor(value / 0.5847029) + 83)),
        );
        const near = inputs.get(word)!.find((theirs) => meanDistance(theirs, ours) < 0.5);
        if (near === undefined) continue;
        equal.push(ours.filter((value, i) => value === near[i]).length / ours.length);
        expect(ours.every((value, i) => Math.abs(value - near[i]!) <= 1)).toBe(true);
      }
    }
    expect(equal.length).toBeGreaterThan(8);
    expect(equal.reduce((sum, share) => sum + share, 0) / equal.length).toBeGreaterThan(0.99);
  });
});
