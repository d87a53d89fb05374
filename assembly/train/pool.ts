/** Average pool: x [N, H, W, C], y [N, OH, OW, C], float32. Elements outside the picture are not counted. */
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";
import { Window } from "./window";

export function averagePool(w: Window, x: usize, y: usize): void {
  memory.fill(y, 0, <usize>(w.batch * w.outputHeight * w.outputWidth * w.channels) * FLOAT);
  visit(w, x, y, false);
}

export function averagePoolGradient(w: Window, dy: usize, dx: usize): void {
  memory.fill(dx, 0, <usize>(w.batch * w.inputHeight * w.inputWidth * w.channels) * FLOAT);
  visit(w, dx, dy, true);
}

/** Adds each window's x to its y, divided by their number, or with `back` each y so to its x. */
function visit(w: Window, x: usize, y: usize, back: bool): void {
  const pixel = <usize>w.channels * FLOAT;
  for (let n = 0; n < w.batch; n++) {
    for (let oy = 0; oy < w.outputHeight; oy++) {
      const top = oy * w.strideHeight - w.padTop;
      const y0 = max(top, 0), y1 = min(top + w.kernelHeight, w.inputHeight);
      for (let ox = 0; ox < w.outputWidth; ox++) {
        const left = ox * w.strideWidth - w.padLeft;
        const x0 = max(left, 0), x1 = min(left + w.kernelWidth, w.inputWidth);
        const share = f32x4.splat(1 / <f32>max((y1 - y0) * (x1 - x0), 1));
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) {
            const at = x + <usize>(iy * w.inputWidth + ix) * pixel;
            if (back) addScaled(at, y, share, w.channels);
            else addScaled(y, at, share, w.channels);
          }
        }
        y += pixel;
      }
    }
    x += <usize>(w.inputHeight * w.inputWidth) * pixel;
  }
}

// @ts-ignore: decorator
@inline
function addScaled(sum: usize, x: usize, factor: v128, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    const rest = count - i;
    storePart(sum, multiplyAdd(loadPart(sum, rest), loadPart(x, rest), factor), rest);
    sum += 16;
    x += 16;
  }
}
