/** The front end of keyword spotting: from sound to mel-frequency cepstral coefficients. Runs in the browser. */
import { COEFFICIENTS, cepstrum, FRAMES, LOG_MEL_FLOOR, MEL_BINS } from "./cepstrum.ts";
import { Fft } from "./fft.ts";

/** Samples a second. */
export const SAMPLE_RATE = 16000;
/** Samples of the second that a network takes. */
export const CLIP_SAMPLES = 16000;

const WINDOW = 480; // 30 ms
const HOP = 320; // 20 ms
const FFT_SIZE = 512;
const SPECTRUM = FFT_SIZE / 2 + 1;
const LOWEST_HERTZ = 0;
const HIGHEST_HERTZ = 4000;

const mel = (hertz: number) => 1127 * Math.log1p(hertz / 700);

/** Hann, periodic. */
const hann = Float64Array.from(
  { length: WINDOW },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW),
);

/** [SPECTRUM, MEL_BINS]: triangles with their corners at equal steps in mel, of height 1. */
const filters = Float64Array.from({ length: SPECTRUM * MEL_BINS }, (_, index) => {
  const [bin, filter] = [Math.floor(index / MEL_BINS), index % MEL_BINS];
  const step = (mel(HIGHEST_HERTZ) - mel(LOWEST_HERTZ)) / (MEL_BINS + 1);
  const position = (mel((bin * SAMPLE_RATE) / FFT_SIZE) - mel(LOWEST_HERTZ)) / step - filter;
  return Math.max(0, 1 - Math.abs(position - 1));
});

const fft = new Fft(FFT_SIZE);
const real = new Float64Array(FFT_SIZE);
const imaginary = new Float64Array(FFT_SIZE);

/**
 * Natural logarithms of mel power: frames of 30 ms every 20 ms under a Hann window, the squared magnitudes of a
 * 512-point transform in 40 triangles from 0 to 4000 Hz. Nothing is below `LOG_MEL_FLOOR`.
 *
 * @param samples [CLIP_SAMPLES] at 16 kHz, -1 to 1
 * @returns [FRAMES, MEL_BINS]
 */
export function logMel(samples: Float32Array): Float32Array {
  const out = new Float32Array(FRAMES * MEL_BINS);
  const energies = new Float64Array(MEL_BINS);
  for (let frame = 0; frame < FRAMES; frame++) {
    real.fill(0);
    imaginary.fill(0);
    for (let i = 0; i < WINDOW; i++) real[i] = hann[i]! * (samples[frame * HOP + i] ?? 0);
    fft.transform(real, imaginary);
    energies.fill(0);
    for (let bin = 0; bin < SPECTRUM; bin++) {
      const power = real[bin]! ** 2 + imaginary[bin]! ** 2;
      for (let filter = 0; filter < MEL_BINS; filter++) {
        energies[filter]! += power * filters[bin * MEL_BINS + filter]!;
      }
    }
    energies.forEach((energy, filter) => {
      out[frame * MEL_BINS + filter] = Math.max(Math.log(energy), LOG_MEL_FLOOR);
    });
  }
  return out;
}

/**
 * A clip of exactly a second: shorter ones between zeros, of longer ones the second with the most energy, in steps
 * of a hop.
 *
 * @param samples at 16 kHz, any number
 */
export function oneSecond(samples: Float32Array): Float32Array {
  const clip = new Float32Array(CLIP_SAMPLES);
  if (samples.length <= CLIP_SAMPLES) {
    clip.set(samples, Math.floor((CLIP_SAMPLES - samples.length) / 2));
    return clip;
  }
  let [best, most, energy] = [0, 0, 0];
  for (let i = 0; i < samples.length; i++) {
    energy += samples[i]! ** 2;
    const start = i + 1 - CLIP_SAMPLES;
    if (start > 0) energy -= samples[start - 1]! ** 2;
    if (start >= 0 && start % HOP === 0 && energy > most) [best, most] = [start, energy];
  }
  clip.set(samples.subarray(best, best + CLIP_SAMPLES));
  return clip;
}

/**
 * What keyword-spotting networks take: 10 coefficients of each of 49 frames, see `cepstrum`.
 *
 * @param samples at 16 kHz, -1 to 1; made a second long by `oneSecond`
 * @returns [FRAMES, COEFFICIENTS]
 */
export function mfcc(samples: Float32Array): Float32Array {
  const out = new Float32Array(FRAMES * COEFFICIENTS);
  cepstrum(logMel(oneSecond(samples)), out, 0);
  return out;
}
