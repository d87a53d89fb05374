/** From log-mel energies to the features that keyword-spotting networks take. Runs in the browser. */

export const FRAMES = 49;
export const MEL_BINS = 40;
export const COEFFICIENTS = 10;

/** Nothing is softer: the logarithm of mel power that pixel 0 of the training pictures stands for. */
export const LOG_MEL_FLOOR = -14.58;
/** How much louder the next pixel value is: fitted on clips that are there as pictures and as sound. */
export const LOG_MEL_STEP = 0.0993;

/** A cosine transform with what is subtracted from each coefficient and what it is divided by. */
export interface CepstrumTable {
  /** [COEFFICIENTS, MEL_BINS] */
  readonly cosines: Float64Array;
  /** [COEFFICIENTS] */
  readonly offsets: Float64Array;
}

/** DCT-II scaled by sqrt(2 / bins), then (coefficient - mean) / deviation. */
export function cepstrumTable(means: readonly number[], deviations: readonly number[]): CepstrumTable {
  const cosines = Float64Array.from({ length: MEL_BINS * COEFFICIENTS }, (_, i) => {
    const [k, bin] = [Math.floor(i / MEL_BINS), i % MEL_BINS];
    return (Math.sqrt(2 / MEL_BINS) * Math.cos((Math.PI * (bin + 0.5) * k) / MEL_BINS)) / deviations[k]!;
  });
  return { cosines, offsets: Float64Array.from(means, (mean, k) => -mean / deviations[k]!) };
}

/** Each coefficient with mean 0 and deviation 1 over Speech Commands' training clips. */
export const SPEECH_TABLE = cepstrumTable(
  [-55.13, 6.26, -0.13, -0.75, -0.75, -0.58, -0.72, -0.64, -0.86, -0.66],
  [39.71, 7.7, 5.18, 4.12, 3.42, 2.63, 2.41, 2.05, 1.96, 1.78],
);

/**
 * Mel-frequency cepstral coefficients.
 *
 * @param logMel [frames, MEL_BINS] natural logarithms of mel energies
 * @param out gets [frames, COEFFICIENTS] from `offset`
 */
export function cepstrum(
  logMel: Float32Array,
  out: Float32Array,
  offset: number,
  { cosines, offsets }: CepstrumTable = SPEECH_TABLE,
): void {
  const frames = logMel.length / MEL_BINS;
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * MEL_BINS;
    for (let k = 0; k < COEFFICIENTS; k++) {
      const row = k * MEL_BINS;
      let even = offsets[k]!;
      let odd = 0;
      // Two sums, so that one addition need not wait for the other.
      for (let bin = 0; bin < MEL_BINS; bin += 2) {
        even += logMel[start + bin]! * cosines[row + bin]!;
        odd += logMel[start + bin + 1]! * cosines[row + bin + 1]!;
      }
      out[offset + frame * COEFFICIENTS + k] = even + odd;
    }
  }
}
