/** Random variants of pictures. */
import type { Random } from "./random.ts";

/** How far variants stray; all are drawn evenly from the ranges given. */
export interface PictureAugmentation {
  /** Whether half of them are mirrored, left and right. */
  readonly flip: boolean;
  /** Degrees, either way. */
  readonly rotation: number;
  /** Share of height and width, either way. */
  readonly shift: number;
  /** Size: between 1 - zoom and 1 + zoom. */
  readonly zoom: number;
  /** Share of the brightness, and of the contrast, either way. */
  readonly light: number;
}

/** As the authors of depth pruning augment visual wake words, and the light. */
export const PICTURE_AUGMENTATION: PictureAugmentation = {
  flip: true,
  rotation: 10,
  shift: 0.05,
  zoom: 0.1,
  light: 0.15,
};

/** All ranges times a strength; at 0 nothing changes. */
export function scalePictureAugmentation(limits: PictureAugmentation, strength: number): PictureAugmentation {
  const { flip, rotation, shift, zoom, light } = limits;
  return {
    flip: flip && strength > 0,
    rotation: rotation * strength,
    shift: shift * strength,
    zoom: zoom * strength,
    light: light * strength,
  };
}

/**
 * Makes a random variant of a picture: mirrored, turned, moved, larger or smaller, in another light. Sampled
 * bilinearly; what comes from outside repeats the edge.
 *
 * @param pixels [height, width, channels]
 * @param out gets height * width * channels values from `offset`: pixel * `scale`, within 0 and 255 * `scale`
 */
export function augmentPicture(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  out: Float32Array,
  offset: number,
  scale: number,
  random: Random,
  limits: PictureAugmentation = PICTURE_AUGMENTATION,
): void {
  const mirror = limits.flip && random.chance(0.5) ? -1 : 1;
  const angle = (random.between(-limits.rotation, limits.rotation) * Math.PI) / 180;
  const size = 1 + random.between(-limits.zoom, limits.zoom);
  const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
  const shiftX = random.between(-limits.shift, limits.shift) * width;
  const shiftY = random.between(-limits.shift, limits.shift) * height;
  const contrast = 1 + random.between(-limits.light, limits.light);
  const brightness = 255 * random.between(-limits.light, limits.light) * 0.5 + 127.5 * (1 - contrast);
  const [cosine, sine] = [Math.cos(angle) / size, Math.sin(angle) / size];

  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Where this pixel comes from.
      const [dx, dy] = [x - centreX - shiftX, y - centreY - shiftY];
      const sourceX = Math.min(Math.max(mirror * (cosine * dx + sine * dy) + centreX, 0), width - 1);
      const sourceY = Math.min(Math.max(cosine * dy - sine * dx + centreY, 0), height - 1);
      const left = Math.min(Math.floor(sourceX), Math.max(0, width - 2));
      const top = Math.min(Math.floor(sourceY), Math.max(0, height - 2));
      const [shareX, shareY] = [sourceX - left, sourceY - top];
      const right = left + 1 < width ? channels : 0;
      const below = top + 1 < height ? width * channels : 0;
      const from = (top * width + left) * channels;
      for (let c = 0; c < channels; c++) {
        const i = from + c;
        const upper = pixels[i]! + shareX * (pixels[i + right]! - pixels[i]!);
        const lower = pixels[i + below]! + shareX * (pixels[i + below + right]! - pixels[i + below]!);
        const value = (upper + shareY * (lower - upper)) * contrast + brightness;
        out[offset + (y * width + x) * channels + c] = Math.min(Math.max(value, 0), 255) * scale;
      }
    }
  }
}
