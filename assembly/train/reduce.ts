/** Sums and their gradients over the middle axis of [outer, middle, inner], float32. */
import { columnSums } from "./channels";
import { FLOAT, loadPart, storePart } from "./vector";

/** sums [outer, inner] = scale * sum over the middle axis; scratch as `columnSumsScratch(inner)` says. */
export function sumMiddle(
  x: usize,
  sums: usize,
  outer: i32,
  middle: i32,
  inner: i32,
  scale: f32,
  scratch: usize,
): void {
  const step = <usize>(middle * inner) * FLOAT;
  for (let i = 0; i < outer; i++) {
    columnSums(x, sums, middle, inner, scale, scratch);
    x += step;
    sums += <usize>inner * FLOAT;
  }
}

/** y [outer, middle, inner] = scale * x [outer, inner], repeated. */
export function repeatMiddle(x: usize, y: usize, outer: i32, middle: i32, inner: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < middle; j++) {
      for (let k = 0; k < inner; k += 4) {
        const at = <usize>k * FLOAT;
        storePart(y + at, f32x4.mul(loadPart(x + at, inner - k), factor), inner - k);
      }
      y += <usize>inner * FLOAT;
    }
    x += <usize>inner * FLOAT;
  }
}
