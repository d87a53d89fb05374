/**
 * What one thread reaches on the arithmetic alone: loops over data in the first-level cache, without requantisation,
 * borders or layout. Kernels are measured as a share of these. Each function is called with a number of passes
 * over its data and returns a checksum, so that nothing is optimised away.
 */

/** Pairs of input channels in one pass of `multiply`: 128 channels, a layer of real networks. */
const PAIRS: i32 = 64;
const COLUMN_BYTES: usize = PAIRS << 2;
const TAPS: i32 = 9;
const DEPTHWISE_CHANNELS: i32 = 64;
const PIXELS: i32 = 8;
const ACCUMULATORS: i32 = 1024;

const columns = memory.data(4 * PAIRS * 4, 16);
const weights = memory.data(PAIRS * 32, 16);
const picture = memory.data((PIXELS + 2) * 3 * DEPTHWISE_CHANNELS, 16);
const filter = memory.data(TAPS * DEPTHWISE_CHANNELS * 2, 16);
const sums = memory.data(PIXELS * DEPTHWISE_CHANNELS * 4, 16);
const accumulators = memory.data(ACCUMULATORS * 4, 16);
const bytes = memory.data(ACCUMULATORS, 16);

/** Multiply-accumulates of one pass of `multiply`. */
export function multiplyWork(): i32 {
  return 4 * 8 * 2 * PAIRS;
}

/** Multiply-accumulates of one pass of `depthwise`. */
export function depthwiseWork(): i32 {
  return PIXELS * DEPTHWISE_CHANNELS * TAPS;
}

/** Elements of one pass of the requantisations. */
export function requantizeWork(): i32 {
  return ACCUMULATORS;
}

/** Puts small odd values everywhere; once, before anything is measured. */
export function fill(): void {
  for (let i = 0; i < 4 * PAIRS * 2; i++) store<i16>(columns + (i << 1), <i16>((i * 37) % 255) - 127);
  for (let i = 0; i < PAIRS * 16; i++) store<i16>(weights + (i << 1), <i16>((i * 91) % 255) - 127);
  for (let i = 0; i < (PIXELS + 2) * 3 * DEPTHWISE_CHANNELS; i++) store<i8>(picture + i, <i8>(i * 53));
  for (let i = 0; i < TAPS * DEPTHWISE_CHANNELS; i++)
    store<i16>(filter + (i << 1), <i16>((i * 29) % 255) - 127);
  for (let i = 0; i < ACCUMULATORS; i++) store<i32>(accumulators + (i << 2), i * 7919 - 4000000);
}

/** int16 matrix product: 4 pixels x 8 output channels in eight accumulators, two input channels at a time. */
export function multiply(passes: i32): i32 {
  let checksum = i32x4.splat(0);
  for (let pass = 0; pass < passes; pass++) {
    let a0 = i32x4.splat(pass);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    let packed = weights;
    for (let column = columns; column < columns + COLUMN_BYTES; column += 4) {
      const w0 = v128.load(packed);
      const w1 = v128.load(packed, 16);
      let x = v128.load_splat<i32>(column);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, x));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load_splat<i32>(column + COLUMN_BYTES);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, x));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load_splat<i32>(column + 2 * COLUMN_BYTES);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, x));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load_splat<i32>(column + 3 * COLUMN_BYTES);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, x));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, x));
      packed += 32;
    }
    a0 = v128.xor(v128.xor(a0, a1), v128.xor(b0, b1));
    c0 = v128.xor(v128.xor(c0, c1), v128.xor(d0, d1));
    checksum = i32x4.add(checksum, v128.xor(a0, c0));
  }
  return i32x4.extract_lane(checksum, 0) + i32x4.extract_lane(checksum, 3);
}

/** Depthwise 3x3, stride 1, no border: eight channels at a time, int8 widened, exact 32-bit products. */
export function depthwise(passes: i32): i32 {
  const rowBytes = <usize>((PIXELS + 2) * DEPTHWISE_CHANNELS);
  for (let pass = 0; pass < passes; pass++) {
    for (let c = 0; c < DEPTHWISE_CHANNELS; c += 8) {
      for (let x = 0; x < PIXELS; x++) {
        let low = i32x4.splat(pass);
        let high = low;
        let taps = filter + ((<usize>c) << 1);
        let row = picture + x * DEPTHWISE_CHANNELS + c;
        for (let ky = 0; ky < 3; ky++) {
          let a = v128.load_ext<i8>(row);
          let w = v128.load(taps);
          low = i32x4.add(low, i32x4.extmul_low_i16x8_s(a, w));
          high = i32x4.add(high, i32x4.extmul_high_i16x8_s(a, w));
          a = v128.load_ext<i8>(row, DEPTHWISE_CHANNELS);
          w = v128.load(taps, 2 * DEPTHWISE_CHANNELS);
          low = i32x4.add(low, i32x4.extmul_low_i16x8_s(a, w));
          high = i32x4.add(high, i32x4.extmul_high_i16x8_s(a, w));
          a = v128.load_ext<i8>(row, 2 * DEPTHWISE_CHANNELS);
          w = v128.load(taps, 4 * DEPTHWISE_CHANNELS);
          low = i32x4.add(low, i32x4.extmul_low_i16x8_s(a, w));
          high = i32x4.add(high, i32x4.extmul_high_i16x8_s(a, w));
          row += rowBytes;
          taps += 6 * DEPTHWISE_CHANNELS;
        }
        const out = sums + ((x * DEPTHWISE_CHANNELS + c) << 2);
        v128.store(out, low);
        v128.store(out, high, 16);
      }
    }
  }
  return load<i32>(sums) + load<i32>(sums, 64);
}

/** Requantisation by one float32 product and sum, eight elements at a time. */
export function requantizeFloat(passes: i32): i32 {
  const scale = f32x4.splat(<f32>0.00003);
  const magic = f32x4.splat(12582912.0);
  const offset = i32x4.splat(0x4b400000);
  for (let pass = 0; pass < passes; pass++) {
    for (let i = 0; i < ACCUMULATORS; i += 8) {
      const from = accumulators + ((<usize>i) << 2);
      const low = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), scale), magic);
      const high = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), scale), magic);
      const words = i16x8.narrow_i32x4_s(i32x4.sub(low, offset), i32x4.sub(high, offset));
      v128.store_lane<i64>(bytes + i, i8x16.narrow_i16x8_s(words, words), 0);
    }
    store<i32>(accumulators, pass);
  }
  return load<i32>(bytes);
}

/** The plain exact form: two roundings in 64-bit lanes. */
export function requantizeDouble(passes: i32): i32 {
  const multiplier = i32x4.splat(1518500250);
  const shift = i32x4.splat(1 << 16);
  const half = i64x2.splat(1 << 30);
  const quarter = i64x2.splat(1 << 29);
  for (let pass = 0; pass < passes; pass++) {
    for (let i = 0; i < ACCUMULATORS; i += 8) {
      const from = accumulators + ((<usize>i) << 2);
      const low = roundTwice(v128.load(from), multiplier, shift, half, quarter);
      const high = roundTwice(v128.load(from, 16), multiplier, shift, half, quarter);
      const words = i16x8.narrow_i32x4_s(low, high);
      v128.store_lane<i64>(bytes + i, i8x16.narrow_i16x8_s(words, words), 0);
    }
    store<i32>(accumulators, pass);
  }
  return load<i32>(bytes);
}

function roundTwice(acc: v128, multiplier: v128, shift: v128, half: v128, quarter: v128): v128 {
  let low = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_s(acc, multiplier), half), 31);
  let high = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_s(acc, multiplier), half), 31);
  const product = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const below = i32x4.shr_s(product, 31);
  low = i64x2.add(i64x2.extend_low_i32x4_s(below), i64x2.extmul_low_i32x4_s(product, shift));
  high = i64x2.add(i64x2.extend_high_i32x4_s(below), i64x2.extmul_high_i32x4_s(product, shift));
  low = i64x2.shr_u(i64x2.add(low, quarter), 30);
  high = i64x2.shr_u(i64x2.add(high, quarter), 30);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}
