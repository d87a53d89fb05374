/**
 * Draws ../samples: one 28x28 gray picture of each digit, white on black, as smooth pen strokes through a few
 * hand-placed points. Nothing here is taken from the training data. Also writes y_labels.csv.
 *
 *   node draw-samples.mjs
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { PNG } from "pngjs";
import { CLASSES, here, PIXELS, SIZE } from "./data.mjs";

/** Digit by digit: the pen's width in pixels and its strokes, each a list of points x, y in pixels. */
// biome-ignore format: one digit a line
const DRAWINGS = [
  { pen: 2.6, strokes: [[16, 5, 11, 6, 8, 11, 8, 17, 11, 22, 15, 22, 19, 18, 20, 12, 18, 7, 14, 5]] },
  { pen: 2.8, strokes: [[16, 4, 15, 10, 13.5, 17, 12.5, 23]] },
  { pen: 2.4, strokes: [[8, 9, 10, 6, 14, 5, 18, 7, 18, 11, 14, 16, 8, 22], [8, 22, 13, 21.5, 20, 22]] },
  { pen: 2.6, strokes: [[9, 7, 13, 5, 17, 7, 17, 10, 12.5, 13], [12.5, 13, 17, 14, 19, 18, 16, 22, 11, 23, 8, 21]] },
  { pen: 2.4, strokes: [[10, 5, 9, 10, 8, 15], [8, 15, 13, 15.5, 20, 15], [17.5, 6, 16.5, 14, 16, 23]] },
  { pen: 2.6, strokes: [[19, 5.5, 15, 5.5, 11, 6], [11, 6, 10, 9, 9.5, 12.5], [9.5, 12.5, 14, 11.5, 18, 14, 18.5, 18, 15, 22, 11, 22.5, 8, 21]] },
  { pen: 2.4, strokes: [[17, 4, 13, 8, 9.5, 14, 9, 19, 12, 22.5, 16, 22, 18.5, 18.5, 17, 15, 13, 15, 9.5, 18]] },
  { pen: 2.6, strokes: [[8, 7, 13, 6.5, 20, 6], [20, 6, 17, 12, 14, 18, 12.5, 23]] },
  { pen: 2.3, strokes: [[18.5, 7, 15, 5, 11, 6.5, 10.5, 10, 14, 13, 18, 16, 18, 20.5, 14, 23, 10, 21, 9.5, 17.5, 13, 14, 17.5, 10.5, 18.5, 7]] },
  { pen: 2.4, strokes: [[18.5, 8, 16, 5, 12, 5.5, 9.5, 9, 10.5, 13, 14, 13.5, 17.5, 11, 18.5, 8], [18.5, 8, 18, 13, 16.5, 18, 15, 23]] },
];

/** Points every small step along the Catmull-Rom curve through a stroke's points. */
function curve(stroke) {
  const points = [];
  for (let i = 0; i < stroke.length; i += 2) points.push([stroke[i], stroke[i + 1]]);
  const at = (i) => points[Math.min(Math.max(i, 0), points.length - 1)];
  const result = [];
  for (let i = 0; i + 1 < points.length; i++) {
    for (let t = 0; t <= 1; t += 1 / 32) {
      const along = (axis) => {
        const [a, b, c, d] = [at(i - 1)[axis], at(i)[axis], at(i + 1)[axis], at(i + 2)[axis]];
        return b + (t / 2) * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
      };
      result.push([along(0), along(1)]);
    }
  }
  return result;
}

/** Pixels of one drawing: full inside the pen, fading over one pixel at its edge. */
function draw({ pen, strokes }) {
  const path = strokes.flatMap(curve);
  return Uint8Array.from({ length: PIXELS }, (_, i) => {
    const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
    const distance = Math.min(...path.map(([px, py]) => Math.hypot(px - x, py - y)));
    return Math.round(255 * Math.min(Math.max(pen / 2 + 0.5 - distance, 0), 1));
  });
}

mkdirSync(here("../samples"), { recursive: true });
DRAWINGS.forEach((drawing, digit) => {
  const picture = new PNG({ width: SIZE, height: SIZE });
  draw(drawing).forEach((value, i) => {
    picture.data.set([value, value, value, 255], 4 * i);
  });
  writeFileSync(here(`../samples/digit-${digit}.png`), PNG.sync.write(picture, { colorType: 0 }));
});
const lines = DRAWINGS.map((_, digit) => `digit-${digit}.png,${CLASSES},${digit}\n`);
writeFileSync(here("../samples/y_labels.csv"), lines.join(""));
