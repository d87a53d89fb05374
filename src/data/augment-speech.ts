/** Random variants of spoken words, made on log-mel energies: far cheaper than on sound. */
import { FRAMES, MEL_BINS } from "./cepstrum.ts";
import type { Random } from "./random.ts";

/** How far variants stray; all are drawn evenly from the ranges given. */
export interface SpeechAugmentation {
  /** Frames (of 20 ms) that the word moves by, either way. */
  readonly shift: number;
  /** Speed: between 1 - stretch and 1 + stretch. */
  readonly stretch: number;
  /** Mel bins that the spectrum moves by, either way. */
  readonly binShift: number;
  /** Change of the level, as natural logarithm of power, either way. */
  readonly gain: number;
  /** Change between the lowest and the middle bin, and between the middle and the highest, either way. */
  readonly tilt: number;
  /** Share of clips with background noise. */
  readonly noiseShare: number;
  /** Lowest and highest gain of the noise, as natural logarithm of power. */
  readonly noiseGain: readonly [number, number];
  /** Share of clips with a run of frames blanked. */
  readonly maskShare: number;
  /** Most frames that are blanked. */
  readonly maskFrames: number;
}

export const SPEECH_AUGMENTATION: SpeechAugmentation = {
  shift: 5,
  stretch: 0.1,
  binShift: 1,
  gain: 1.4,
  tilt: 0.7,
  noiseShare: 0.7,
  noiseGain: [-5, 0],
  maskShare: 0.4,
  maskFrames: 8,
};

/** All ranges and shares times a strength; at 0 nothing changes. The noise, where there is any, is as loud. */
export function scaleSpeechAugmentation(limits: SpeechAugmentation, strength: number): SpeechAugmentation {
  return {
    ...limits,
    shift: limits.shift * strength,
    stretch: limits.stretch * strength,
    binShift: limits.binShift * strength,
    gain: limits.gain * strength,
    tilt: limits.tilt * strength,
    noiseShare: limits.noiseShare * strength,
    maskShare: limits.maskShare * strength,
  };
}

/** ln(1 + e^-d) for d = i / SOFTPLUS_STEPS: sums of powers without a logarithm each. */
const SOFTPLUS_STEPS = 64;
const SOFTPLUS_END = 12;
const SOFTPLUS = Float32Array.from({ length: SOFTPLUS_STEPS * SOFTPLUS_END + 1 }, (_, i) =>
  Math.log1p(Math.exp(-i / SOFTPLUS_STEPS)),
);

/** ln(e^a + e^b), within 0.004. */
function logAdd(a: number, b: number): number {
  const larger = a > b ? a : b;
  const distance = larger + larger - a - b;
  return distance < SOFTPLUS_END ? larger + SOFTPLUS[(distance * SOFTPLUS_STEPS + 0.5) | 0]! : larger;
}

const lowBins = new Int32Array(MEL_BINS);
const shares = new Float32Array(MEL_BINS);

/** [FRAMES, MEL_BINS] resampled: frame t from `start + t * speed`, bin b from b + `binShift`; edges repeat. */
function resample(
  source: Float32Array,
  out: Float32Array,
  start: number,
  speed: number,
  binShift: number,
): void {
  for (let b = 0; b < MEL_BINS; b++) {
    const position = Math.min(Math.max(b + binShift, 0), MEL_BINS - 1);
    lowBins[b] = Math.min(Math.floor(position), MEL_BINS - 2);
    shares[b] = position - lowBins[b]!;
  }
  for (let t = 0; t < FRAMES; t++) {
    const position = Math.min(Math.max(start + t * speed, 0), FRAMES - 1);
    const frame = Math.min(Math.floor(position), FRAMES - 2);
    const late = position - frame;
    for (let b = 0; b < MEL_BINS; b++) {
      const i = frame * MEL_BINS + lowBins[b]!;
      const j = i + MEL_BINS;
      const share = shares[b]!;
      const early = source[i]! + share * (source[i + 1]! - source[i]!);
      const next = source[j]! + share * (source[j + 1]! - source[j]!);
      out[t * MEL_BINS + b] = early + late * (next - early);
    }
  }
}

/**
 * Makes a random variant of a clip: moved, faster or slower, in another voice's range, louder or softer, through
 * another microphone, in background noise (powers add), with a gap.
 *
 * @param clip [FRAMES, MEL_BINS] log-mel energies
 * @param noise as `clip`: where the noise comes from, called only where it is needed; null: without noise
 * @param out [FRAMES, MEL_BINS], not `clip`
 */
export function augmentSpeech(
  clip: Float32Array,
  noise: (() => Float32Array) | null,
  out: Float32Array,
  random: Random,
  limits: SpeechAugmentation = SPEECH_AUGMENTATION,
): void {
  const speed = 1 + random.between(-limits.stretch, limits.stretch);
  const shift = random.between(-limits.shift, limits.shift);
  const middle = (FRAMES - 1) / 2;
  resample(
    clip,
    out,
    middle - middle * speed + shift,
    speed,
    random.between(-limits.binShift, limits.binShift),
  );

  const gain = random.between(-limits.gain, limits.gain);
  const tilt = random.between(-limits.tilt, limits.tilt);
  const isNoisy = random.chance(limits.noiseShare);
  const level = random.between(limits.noiseGain[0], limits.noiseGain[1]);
  const background = isNoisy && noise !== null ? noise() : null;
  for (let b = 0; b < MEL_BINS; b++) {
    const lift = gain + tilt * ((2 * b) / (MEL_BINS - 1) - 1);
    for (let i = b; i < out.length; i += MEL_BINS) {
      const value = out[i]! + lift;
      out[i] = background === null ? value : logAdd(value, background[i]! + level);
    }
  }

  if (random.chance(limits.maskShare)) {
    const frames = random.integer(1, limits.maskFrames);
    const first = random.integer(0, FRAMES - frames);
    const mean = out.reduce((sum, value) => sum + value, 0) / out.length;
    out.fill(mean, first * MEL_BINS, (first + frames) * MEL_BINS);
  }
}
