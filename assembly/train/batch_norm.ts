/**
 * Batch normalisation with the batch's own statistics and a fused activation: x, y [rows, C], float32.
 *
 *   y = clamp(gamma * (x - mean) / sqrt(variance + epsilon) + beta)
 *
 * With xc = x - mean, scale = gamma / sqrt(variance + epsilon), and g the output gradient where y is not clamped:
 *
 *   dbeta = sum(g)   dgamma = sum(g * xc) * scale / gamma
 *   dx = scale * (g - dbeta / rows - xc * sum(g * xc) / ((variance + epsilon) * rows))
 */
import { chunkFloats, fold, lapFloats, repeat } from "./channels";
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";

/** The clamp to [low, high]; NaN stays NaN. */
// @ts-ignore: decorator
@inline
function activate(y: v128, low: f32, high: f32): v128 {
  return f32x4.pmin(f32x4.pmax(y, f32x4.splat(low)), f32x4.splat(high));
}

/** dy where the output before its clamp is inside it, else 0. */
// @ts-ignore: decorator
@inline
function maskGradient(dy: v128, y: v128, low: f32, high: f32): v128 {
  return v128.and(dy, v128.and(f32x4.gt(y, f32x4.splat(low)), f32x4.lt(y, f32x4.splat(high))));
}

/**
 * Scratch: six values by channel (or three in float64), then five laps. The first three laps are the same in
 * both passes.
 */
const SCALE: usize = 0;
const CENTRE: usize = 1;
const SHIFT: usize = 2;
/** Sums of g, then what dx takes off every g. */
const SUM: usize = 3;
/** Sums of g * xc, then what dx takes off for every xc. */
const PRODUCT: usize = 4;
const LAPS: i32 = 5;

/** Scratch floats of the forward pass and of the gradient. */
export function batchNormScratch(channels: i32): i32 {
  return 6 * channels + LAPS * lapFloats(channels);
}

// @ts-ignore: decorator
@inline
function lapsOf(scratch: usize, channels: i32): usize {
  return scratch + <usize>(6 * channels) * FLOAT;
}

// @ts-ignore: decorator
@inline
function addTo(address: usize, value: v128): void {
  v128.store(address, f32x4.add(v128.load(address), value));
}

/**
 * Mean and (biased) variance of the columns. Sums are of x less a value near the mean, that of the first rows, in
 * float32 over a chunk and in float64 over chunks: a large mean does not swallow the variance.
 */
function moments(x: usize, rows: i32, channels: i32, mean: usize, variance: usize, scratch: usize): void {
  const length = lapFloats(channels);
  const lapBytes = <usize>length * FLOAT;
  const totals = scratch;
  const squares = totals + (<usize>channels << 3);
  const laps = lapsOf(scratch, channels);
  memory.fill(totals, 0, <usize>channels << 4);
  firstMean(x, min(rows, 64), channels, mean);
  repeat(laps + CENTRE * lapBytes, mean, channels);
  const total = rows * channels;
  const chunk = chunkFloats(channels);
  // From the end: what was written last is still in the cache.
  for (let start = ((total - 1) / chunk) * chunk; start >= 0; start -= chunk) {
    memory.fill(laps + SUM * lapBytes, 0, 2 * lapBytes);
    const end = min(total, start + chunk);
    for (let lap = start; lap < end; lap += length) {
      const from = x + <usize>lap * FLOAT;
      const count = min(length, end - lap);
      let i = 0;
      for (; i + 4 <= count; i += 4) addMoments(from, laps, lapBytes, i, 4);
      if (i < count) addMoments(from, laps, lapBytes, i, count - i);
    }
    fold(totals, laps + SUM * lapBytes, channels);
    fold(squares, laps + PRODUCT * lapBytes, channels);
  }
  for (let c = 0; c < channels; c++) {
    const at = <usize>c * FLOAT;
    const shift = load<f64>(totals + (<usize>c << 3)) / <f64>rows;
    const square = load<f64>(squares + (<usize>c << 3)) / <f64>rows;
    store<f32>(mean + at, <f32>(<f64>load<f32>(mean + at) + shift));
    store<f32>(variance + at, <f32>max(square - shift * shift, 0.0));
  }
}

// @ts-ignore: decorator
@inline
function addMoments(x: usize, laps: usize, lapBytes: usize, i: i32, rest: i32): void {
  const at = <usize>i * FLOAT;
  // Lanes beyond the row are zero in both, so they add nothing.
  const v = f32x4.sub(loadPart(x + at, rest), loadPart(laps + CENTRE * lapBytes + at, rest));
  addTo(laps + SUM * lapBytes + at, v);
  addTo(laps + PRODUCT * lapBytes + at, f32x4.mul(v, v));
}

/** Mean of the first rows: near enough to the mean to be taken off. */
function firstMean(x: usize, rows: i32, channels: i32, mean: usize): void {
  for (let c = 0; c < channels; c++) {
    let sum: f64 = 0;
    let at = x + <usize>c * FLOAT;
    for (let r = 0; r < rows; r++) {
      sum += <f64>load<f32>(at);
      at += <usize>channels * FLOAT;
    }
    store<f32>(mean + <usize>c * FLOAT, <f32>(sum / <f64>rows));
  }
}

/** Fills the three laps that both passes share. */
function prepare(
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  channels: i32,
  epsilon: f32,
  scratch: usize,
): void {
  const lapBytes = <usize>lapFloats(channels) * FLOAT;
  const laps = lapsOf(scratch, channels);
  for (let c = 0; c < channels; c++) {
    const at = <usize>c * FLOAT;
    const deviation = sqrt<f64>(<f64>load<f32>(variance + at) + <f64>epsilon);
    store<f32>(scratch + at, <f32>(<f64>load<f32>(gamma + at) / deviation));
  }
  repeat(laps + SCALE * lapBytes, scratch, channels);
  repeat(laps + CENTRE * lapBytes, mean, channels);
  repeat(laps + SHIFT * lapBytes, beta, channels);
}

/** y before its clamp, from xc. */
// @ts-ignore: decorator
@inline
function normalize(centred: v128, laps: usize, lapBytes: usize, at: usize): v128 {
  const scale = v128.load(laps + SCALE * lapBytes + at);
  return multiplyAdd(v128.load(laps + SHIFT * lapBytes + at), centred, scale);
}

/** With given mean and variance [C]. */
export function normalizeRows(
  x: usize,
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  y: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  low: f32,
  high: f32,
  scratch: usize,
): void {
  const length = lapFloats(channels);
  const lapBytes = <usize>length * FLOAT;
  const laps = lapsOf(scratch, channels);
  prepare(gamma, beta, mean, variance, channels, epsilon, scratch);
  for (let total = rows * channels; total > 0; total -= length) {
    const count = min(length, total);
    let i = 0;
    for (; i + 4 <= count; i += 4) forward(x, y, laps, lapBytes, i, 4, low, high);
    if (i < count) forward(x, y, laps, lapBytes, i, count - i, low, high);
    x += lapBytes;
    y += lapBytes;
  }
}

/** With the batch's own; mean and variance [C] are results too. */
export function batchNorm(
  x: usize,
  gamma: usize,
  beta: usize,
  y: usize,
  mean: usize,
  variance: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  low: f32,
  high: f32,
  scratch: usize,
): void {
  moments(x, rows, channels, mean, variance, scratch);
  normalizeRows(x, gamma, beta, mean, variance, y, rows, channels, epsilon, low, high, scratch);
}

// @ts-ignore: decorator
@inline
function forward(x: usize, y: usize, laps: usize, lapBytes: usize, i: i32, rest: i32, low: f32, high: f32): void {
  const at = <usize>i * FLOAT;
  const centred = f32x4.sub(loadPart(x + at, rest), v128.load(laps + CENTRE * lapBytes + at));
  storePart(y + at, activate(normalize(centred, laps, lapBytes, at), low, high), rest);
}

/** mean and variance are those of the forward pass; dx, dgamma, dbeta are results. */
export function batchNormGradient(
  x: usize,
  dy: usize,
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  dx: usize,
  dgamma: usize,
  dbeta: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  low: f32,
  high: f32,
  scratch: usize,
): void {
  const length = lapFloats(channels);
  const lapBytes = <usize>length * FLOAT;
  const totals = scratch;
  const products = totals + (<usize>channels << 3);
  const laps = lapsOf(scratch, channels);
  prepare(gamma, beta, mean, variance, channels, epsilon, scratch);

  memory.fill(totals, 0, <usize>channels << 4);
  const total = rows * channels;
  const chunk = chunkFloats(channels);
  for (let start = ((total - 1) / chunk) * chunk; start >= 0; start -= chunk) {
    memory.fill(laps + SUM * lapBytes, 0, 2 * lapBytes);
    const end = min(total, start + chunk);
    for (let lap = start; lap < end; lap += length) {
      const offset = <usize>lap * FLOAT;
      const count = min(length, end - lap);
      let i = 0;
      for (; i + 4 <= count; i += 4) addProducts(x + offset, dy + offset, laps, lapBytes, i, 4, low, high);
      if (i < count) addProducts(x + offset, dy + offset, laps, lapBytes, i, count - i, low, high);
    }
    fold(totals, laps + SUM * lapBytes, channels);
    fold(products, laps + PRODUCT * lapBytes, channels);
  }

  const levels = scratch + (<usize>channels << 4);
  const slopes = levels + <usize>channels * FLOAT;
  for (let c = 0; c < channels; c++) {
    const at = <usize>c * FLOAT;
    const sum = load<f64>(totals + (<usize>c << 3));
    const product = load<f64>(products + (<usize>c << 3));
    const square = <f64>load<f32>(variance + at) + <f64>epsilon;
    store<f32>(dbeta + at, <f32>sum);
    store<f32>(dgamma + at, <f32>(product / sqrt<f64>(square)));
    store<f32>(levels + at, <f32>(sum / <f64>rows));
    store<f32>(slopes + at, <f32>(product / (square * <f64>rows)));
  }
  repeat(laps + SUM * lapBytes, levels, channels);
  repeat(laps + PRODUCT * lapBytes, slopes, channels);
  for (let left = total; left > 0; left -= length) {
    const count = min(length, left);
    let i = 0;
    for (; i + 4 <= count; i += 4) backward(x, dy, dx, laps, lapBytes, i, 4, low, high);
    if (i < count) backward(x, dy, dx, laps, lapBytes, i, count - i, low, high);
    x += lapBytes;
    dy += lapBytes;
    dx += lapBytes;
  }
}

// @ts-ignore: decorator
@inline
function addProducts(
  x: usize,
  dy: usize,
  laps: usize,
  lapBytes: usize,
  i: i32,
  rest: i32,
  low: f32,
  high: f32,
): void {
  const at = <usize>i * FLOAT;
  const centred = f32x4.sub(loadPart(x + at, rest), v128.load(laps + CENTRE * lapBytes + at));
  const g = maskGradient(loadPart(dy + at, rest), normalize(centred, laps, lapBytes, at), low, high);
  addTo(laps + SUM * lapBytes + at, g);
  addTo(laps + PRODUCT * lapBytes + at, f32x4.mul(g, centred));
}

// @ts-ignore: decorator
@inline
function backward(
  x: usize,
  dy: usize,
  dx: usize,
  laps: usize,
  lapBytes: usize,
  i: i32,
  rest: i32,
  low: f32,
  high: f32,
): void {
  const at = <usize>i * FLOAT;
  const centred = f32x4.sub(loadPart(x + at, rest), v128.load(laps + CENTRE * lapBytes + at));
  const g = maskGradient(loadPart(dy + at, rest), normalize(centred, laps, lapBytes, at), low, high);
  const slope = f32x4.mul(centred, v128.load(laps + PRODUCT * lapBytes + at));
  const d = f32x4.sub(f32x4.sub(g, v128.load(laps + SUM * lapBytes + at)), slope);
  storePart(dx + at, f32x4.mul(d, v128.load(laps + SCALE * lapBytes + at)), rest);
}
