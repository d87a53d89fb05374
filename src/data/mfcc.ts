/** The front end of keyword spotting: from sound to mel-frequency cepstral coefficients. Runs in the browser. */
import {
  type CepstrumTable,
  COEFFICIENTS,
  cepstrum,
  cepstrumTable,
  FRAMES,
  LOG_MEL_FLOOR,
  MEL_BINS,
  SPEECH_TABLE,
} from "./cepstrum.ts";
import { Fft } from "./fft.ts";

/** Samples a second. */
export const SAMPLE_RATE = 16000;
/** Samples of the second that a network takes. */
export const CLIP_SAMPLES = 16000;

const WINDOW = 480; // 30 ms
const HOP = 320; // 20 ms
const FFT_SIZE = 512;
const SPECTRUM = FFT_SIZE / 2 + 1;
const HIGHEST_HERTZ = 4000;

/** What front ends differ in. Frames, window, transform, bins and coefficients are the same for all. */
export interface FrontEnd {
  /** Whether sound is divided by its greatest sample first, whatever its level. */
  readonly isLevelled: boolean;
  /** The lower end of the lowest mel bin. */
  readonly lowestHertz: number;
  /** Of the spectrum's magnitudes, before they are summed in mel bins: 2 for power. */
  readonly exponent: 1 | 2;
  /** Added to energies before the logarithm. */
  readonly offset: number;
  /** Nothing is below. */
  readonly floor: number;
  readonly table: CepstrumTable;
}

/** Of the networks that thumbnet trains on Speech Commands. */
export const SPEECH_FRONT_END: FrontEnd = {
  isLevelled: false,
  lowestHertz: 0,
  exponent: 2,
  offset: 0,
  floor: LOG_MEL_FLOOR,
  table: SPEECH_TABLE,
};

/** Of MLPerf Tiny's keyword-spotting reference model; found by fitting its evaluation inputs. */
export const MLPERF_FRONT_END: FrontEnd = {
  isLevelled: true,
  lowestHertz: 20,
  exponent: 1,
  offset: 1e-6,
  floor: Number.NEGATIVE_INFINITY,
  table: cepstrumTable(new Array(COEFFICIENTS).fill(0), new Array(COEFFICIENTS).fill(1)),
};

const mel = (hertz: number) => 1127 * Math.log1p(hertz / 700);

/** Hann, periodic. */
const hann = Float64Array.from(
  { length: WINDOW },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW),
);

/** [SPECTRUM, MEL_BINS]: triangles with their corners at equal steps in mel, of height 1; none has the mean. */
function melFilters(lowestHertz: number): Float64Array {
  const step = (mel(HIGHEST_HERTZ) - mel(lowestHertz)) / (MEL_BINS + 1);
  return Float64Array.from({ length: SPECTRUM * MEL_BINS }, (_, index) => {
    const [bin, filter] = [Math.floor(index / MEL_BINS), index % MEL_BINS];
    const position = (mel((bin * SAMPLE_RATE) / FFT_SIZE) - mel(lowestHertz)) / step - filter;
    return bin === 0 ? 0 : Math.max(0, 1 - Math.abs(position - 1));
  });
}

const filtersFrom = new Map<number, Float64Array>();

const fft = new Fft(FFT_SIZE);
const real = new Float64Array(FFT_SIZE);
const imaginary = new Float64Array(FFT_SIZE);

/**
 * Natural logarithms of mel energies: frames of 30 ms every 20 ms under a Hann window, a 512-point transform, and
 * 40 triangles up to 4000 Hz.
 *
 * @param samples [CLIP_SAMPLES] at 16 kHz, -1 to 1
 * @returns [FRAMES, MEL_BINS]
 */
export function logMel(samples: Float32Array, frontEnd: FrontEnd = SPEECH_FRONT_END): Float32Array {
  const { isLevelled, lowestHertz, exponent, offset, floor } = frontEnd;
  const filters = filtersFrom.get(lowestHertz) ?? melFilters(lowestHertz);
  filtersFrom.set(lowestHertz, filters);
  const gain = isLevelled ? 1 / (samples.reduce((a, b) => Math.max(a, b), 0) || 1) : 1;
  const out = new Float32Array(FRAMES * MEL_BINS);
  const energies = new Float64Array(MEL_BINS);
  for (let frame = 0; frame < FRAMES; frame++) {
    real.fill(0);
    imaginary.fill(0);
    for (let i = 0; i < WINDOW; i++) real[i] = gain * hann[i]! * (samples[frame * HOP + i] ?? 0);
    fft.transform(real, imaginary);
    energies.fill(0);
    for (let bin = 0; bin < SPECTRUM; bin++) {
      const power = real[bin]! ** 2 + imaginary[bin]! ** 2;
      const magnitude = exponent === 2 ? power : Math.sqrt(power);
      for (let filter = 0; filter < MEL_BINS; filter++) {
        energies[filter]! += magnitude * filters[bin * MEL_BINS + filter]!;
      }
    }
    for (let filter = 0; filter < MEL_BINS; filter++) {
      out[frame * MEL_BINS + filter] = Math.max(Math.log(energies[filter]! + offset), floor);
    }
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
export function mfcc(samples: Float32Array, frontEnd: FrontEnd = SPEECH_FRONT_END): Float32Array {
  const out = new Float32Array(FRAMES * COEFFICIENTS);
  cepstrum(logMel(oneSecond(samples), frontEnd), out, 0, frontEnd.table);
  return out;
}
