/** One pass over `count` floats. */
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";

/** y = x clamped to [0, limit], infinity for ReLU; NaN stays NaN. */
export function relu(x: usize, y: usize, count: i32, limit: f32): void {
  const zero = f32x4.splat(0);
  const most = f32x4.splat(limit);
  for (let i = 0; i < count; i += 4) {
    storePart(y, f32x4.pmin(f32x4.pmax(loadPart(x, count - i), zero), most), count - i);
    x += 16;
    y += 16;
  }
}

/** dx = dy where 0 < y < limit, else 0, from the output y or (as the answer is the same) the input. */
export function reluGradient(y: usize, dy: usize, dx: usize, count: i32, limit: f32): void {
  const zero = f32x4.splat(0);
  const most = f32x4.splat(limit);
  for (let i = 0; i < count; i += 4) {
    const value = loadPart(y, count - i);
    const inside = v128.and(f32x4.gt(value, zero), f32x4.lt(value, most));
    storePart(dx, v128.and(loadPart(dy, count - i), inside), count - i);
    y += 16;
    dy += 16;
    dx += 16;
  }
}

/**
 * y = x * scale, or 0 where 16 bits of a hash of the element's index and the seed are below `dropBelow`
 * (0 … 65535): the gradient is the same call with dy. The hash is the 32-bit finaliser of MurmurHash3 (public
 * domain), once for two elements.
 */
export function dropout(x: usize, y: usize, count: i32, dropBelow: i32, scale: f32, seed: i32): void {
  const threshold = i16x8.splat(<i16>dropBelow);
  const factor = f32x4.splat(scale);
  const first = i32x4.splat(0x85ebca6b);
  const second = i32x4.splat(0xc2b2ae35);
  const golden = i32x4.splat(0x9e3779b9);
  let index = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(scramble(seed)));
  for (let left = count; left > 0; left -= 8) {
    let hash = i32x4.mul(index, golden);
    hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 16)), first);
    hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 13)), second);
    hash = v128.xor(hash, i32x4.shr_u(hash, 16));
    const kept = i16x8.ge_u(hash, threshold);
    keep(x, y, i32x4.extend_low_i16x8_s(kept), factor, left);
    if (left > 4) keep(x + 16, y + 16, i32x4.extend_high_i16x8_s(kept), factor, left - 4);
    index = i32x4.add(index, i32x4.splat(4));
    x += 32;
    y += 32;
  }
}

// @ts-ignore: decorator
@inline
function keep(x: usize, y: usize, kept: v128, factor: v128, rest: i32): void {
  storePart(y, v128.and(f32x4.mul(loadPart(x, rest), factor), kept), rest);
}

/** Seeds that follow each other must not give masks that are each other shifted. */
function scramble(seed: i32): i32 {
  let hash = <u32>seed * 0x9e3779b9 + 0x7f4a7c15;
  hash = (hash ^ (hash >>> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >>> 13)) * 0xc2b2ae35;
  return <i32>(hash ^ (hash >>> 16));
}

/** One Adam step: new value and moments from the old ones. `rate` is the learning rate over 1 - beta1^step. */
export function adam(
  value: usize,
  first: usize,
  second: usize,
  gradient: usize,
  newValue: usize,
  newFirst: usize,
  newSecond: usize,
  count: i32,
  rate: f32,
  beta1: f32,
  beta2: f32,
  correction2: f32,
  epsilon: f32,
): void {
  const keep1 = f32x4.splat(beta1), take1 = f32x4.splat(1 - beta1);
  const keep2 = f32x4.splat(beta2), take2 = f32x4.splat(1 - beta2);
  for (let i = 0; i < count; i += 4) {
    const rest = count - i;
    const at = <usize>i * FLOAT;
    const g = loadPart(gradient + at, rest);
    const m = multiplyAdd(f32x4.mul(loadPart(first + at, rest), keep1), g, take1);
    const v = multiplyAdd(f32x4.mul(loadPart(second + at, rest), keep2), f32x4.mul(g, g), take2);
    const root = f32x4.sqrt(f32x4.div(v, f32x4.splat(correction2)));
    const step = f32x4.div(m, f32x4.add(root, f32x4.splat(epsilon)));
    const moved = f32x4.sub(loadPart(value + at, rest), f32x4.mul(step, f32x4.splat(rate)));
    storePart(newFirst + at, m, rest);
    storePart(newSecond + at, v, rest);
    storePart(newValue + at, moved, rest);
  }
}
