/**
 * Speaks words with espeak-ng, as one-second clips: 16 kHz, mono, 16 bits, with a little noise as of a quiet room.
 *
 *   node models/kws/make-samples.mjs                 writes models/kws/samples
 *   node models/kws/make-samples.mjs --voices DIR    every word by ten voices, in folders for `thumbnet eval`
 *
 * Needs the project built, and espeak-ng; another version of it may speak differently.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { oneSecond } from "../../dist/data/mfcc.js";
import { Random } from "../../dist/data/random.js";
import { parseWav } from "../../dist/data/wav.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const LABELS = readFileSync(join(HERE, "labels.txt"), "utf8").trim().split("\n");
const WORDS = LABELS.slice(0, 10);

const RATE = 16000;
const VOICE = "en-us+m7";
const VOICES = [
  "en-us",
  "en-us+m1",
  "en-us+m3",
  "en-us+m7",
  "en-us+f1",
  "en-us+f2",
  "en-us+f4",
  "en-gb",
  "en-gb-scotland",
  "en-gb-x-rp",
];
/** Words a minute. */
const SPEED = 160;
/** Of the loudest sample; noise goes up to `NOISE`. */
const PEAK = 0.6;
const NOISE = 0.004;

/** Half of the width of the filter that resamples, in samples of the lower rate. */
const TAPS = 16;

/** Resamples by a sinc under a Hann window. */
function resample(samples, from) {
  const step = from / RATE;
  const cutoff = Math.min(1, 1 / step);
  const reach = TAPS / cutoff;
  return Float32Array.from({ length: Math.floor(samples.length / step) }, (_, i) => {
    let sum = 0;
    const first = Math.max(0, Math.ceil(i * step - reach));
    const last = Math.min(samples.length - 1, Math.floor(i * step + reach));
    for (let j = first; j <= last; j++) {
      const x = (j - i * step) * cutoff;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      sum += samples[j] * cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / TAPS));
    }
    return sum;
  });
}

/** What espeak-ng writes to a pipe has no lengths in its header. */
function speak(word, voice) {
  const bytes = execFileSync("espeak-ng", ["-v", voice, "-s", `${SPEED}`, "--stdout", word]);
  bytes.writeUInt32LE(bytes.length - 44, 40);
  const { sampleRate, samples } = parseWav(bytes, `espeak-ng, ${voice}, ${word}`);
  return oneSecond(resample(samples, sampleRate));
}

function finish(clip, random) {
  const peak = clip.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) || 1;
  return Int16Array.from(clip, (sample) => {
    const noise = NOISE * (random.unit() + random.unit() - 1);
    return Math.round(32767 * ((PEAK / peak) * sample + noise));
  });
}

function writeWav(path, samples) {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // channels
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(2 * RATE, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.byteLength, 40);
  writeFileSync(path, Buffer.concat([header, Buffer.from(samples.buffer)]));
}

const [option, folder] = process.argv.slice(2);
const random = new Random(1);
if (option === "--voices" && folder !== undefined) {
  for (const word of WORDS) {
    mkdirSync(join(folder, word), { recursive: true });
    for (const voice of VOICES) {
      writeWav(join(folder, word, `${voice}.wav`), finish(speak(word, voice), random));
    }
  }
} else if (option === undefined) {
  const samples = join(HERE, "samples");
  mkdirSync(samples, { recursive: true });
  const clips = [...WORDS.map((word) => [word, word]), ["house", "unknown"], ["silence", "silence"]];
  for (const [name, label] of clips) {
    const clip = label === "silence" ? new Float32Array(RATE) : speak(name, VOICE);
    writeWav(join(samples, `${name}.wav`), finish(clip, random));
  }
  const lines = clips.map(([name, label]) => `${name}.wav,${LABELS.length},${LABELS.indexOf(label)}\n`);
  writeFileSync(join(samples, "y_labels.csv"), lines.join(""));
} else {
  console.error("usage: node models/kws/make-samples.mjs [--voices DIR]");
  process.exit(1);
}
