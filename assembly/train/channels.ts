/**
 * Per-channel values against a stream of rows [rows, C]. A *lap* is as many whole rows as make a multiple of
 * four floats and at least LAP of them; values are repeated over a lap once, and then any number of channels is
 * plain vectors over a contiguous stream. The last lap may be short.
 */
import { FLOAT, loadPart, storePart } from "./vector";

const LAP: i32 = 64;

/** Floats of a lap. */
export function lapFloats(channels: i32): i32 {
  const unit = channels & 1 ? 4 : channels & 2 ? 2 : 1;
  const group = unit * channels;
  return group * ((LAP + group - 1) / group);
}

/** Repeats values [C] over a lap. */
export function repeat(lap: usize, values: usize, channels: i32): void {
  const length = lapFloats(channels);
  for (let i = 0; i < length; i += channels) {
    memory.copy(lap + <usize>i * FLOAT, values, <usize>channels * FLOAT);
  }
}

/** Sums a lap's values by channel, in float64, and adds them to totals [C] float64. */
export function fold(totals: usize, lap: usize, channels: i32): void {
  const length = lapFloats(channels);
  for (let i = 0; i < length; ) {
    for (let c = 0; c < channels; c++, i++) {
      const at = totals + (<usize>c << 3);
      store<f64>(at, load<f64>(at) + <f64>load<f32>(lap + <usize>i * FLOAT));
    }
  }
}

/** Floats of a stream that are summed in float32 before they go on in float64: about 64 laps. */
// @ts-ignore: decorator
@inline
export function chunkFloats(channels: i32): i32 {
  return 64 * lapFloats(channels);
}

/** Scratch floats of `columnSums`. */
export function columnSumsScratch(channels: i32): i32 {
  return 2 * channels + lapFloats(channels);
}

/** sums [C] = scale * column sums of x [rows, C]; scratch is aligned to 8. */
export function columnSums(
  x: usize,
  sums: usize,
  rows: i32,
  channels: i32,
  scale: f32,
  scratch: usize,
): void {
  const totals = scratch;
  const lap = scratch + <usize>(2 * channels) * FLOAT;
  const length = lapFloats(channels);
  memory.fill(totals, 0, <usize>(2 * channels) * FLOAT);
  for (let left = rows * channels; left > 0; ) {
    memory.fill(lap, 0, <usize>length * FLOAT);
    const end = left - min(left, chunkFloats(channels));
    while (left > end) {
      const count = min(left, length);
      let i = 0;
      for (; i + 4 <= count; i += 4) addPart(lap, x, i, 4);
      if (i < count) addPart(lap, x, i, count - i);
      x += <usize>count * FLOAT;
      left -= count;
    }
    fold(totals, lap, channels);
  }
  for (let c = 0; c < channels; c++) {
    store<f32>(sums + <usize>c * FLOAT, <f32>(load<f64>(totals + (<usize>c << 3)) * <f64>scale));
  }
}

// @ts-ignore: decorator
@inline
function addPart(sum: usize, x: usize, i: i32, rest: i32): void {
  const at = <usize>i * FLOAT;
  storePart(sum + at, f32x4.add(loadPart(sum + at, rest), loadPart(x + at, rest)), rest);
}
