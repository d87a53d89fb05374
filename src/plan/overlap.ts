/**
 * Where the output of a kernel may lie on one of its inputs that nobody reads afterwards.
 *
 * Kernels that work through their input in order leave bytes behind that they never read again. While the input
 * lies far enough behind the output, nothing is written that is still to be read. The distance follows from the
 * order in which the chip's kernels read and write (WebAssembly reads a copy where the two overlap):
 *
 * - pointwise and convolution copy the inputs of a group of pixels before they write that group's outputs, pixels in
 *   raster order. Any division into groups is allowed for: the rules hold for every number of pixels.
 * - depthwise copies the plane of one channel before it writes the plane of that channel's output, channels in order.
 *   With as many outputs as inputs a channel's bytes are then touched by nothing else.
 * - pools write one pixel after the other, in each the channels in order, having read their window.
 * - element-wise kernels and softmax go forward and read an element before they write it.
 * - the others read what they have read before, or write ahead: they share nothing.
 */
import type { KernelCall, KernelCallOf, OperandRef } from "./kernel-call.ts";

/**
 * `after`: the input's address is at least the output's plus `distance`, which may be negative.
 * `channels`: it differs from the output's by a multiple of `channels`, in either direction.
 */
export type Overlap =
  | { readonly kind: "after"; readonly distance: number }
  | { readonly kind: "channels"; readonly channels: number };

/** The operands of a call that are read. */
export type InputName = "input" | "input2";

export function inputsOf(call: KernelCall): { readonly name: InputName; readonly ref: OperandRef }[] {
  const inputs: { name: InputName; ref: OperandRef }[] = [{ name: "input", ref: call.values.input }];
  if ("input2" in call.values) inputs.push({ name: "input2", ref: call.values.input2 });
  return inputs;
}

/** The rule for an input of a call; null where output and input must not share a byte. */
export function overlapOf(call: KernelCall, name: InputName = "input"): Overlap | null {
  switch (call.kernel) {
    case "pointwise_s8": {
      const { pixels, inputChannels, outputChannels } = call.values;
      return after(linearDistance(pixels, inputChannels, outputChannels));
    }
    case "conv_s8":
      return call.values.groups === 1 ? after(windowDistance(call.values, false)) : null;
    case "avg_pool_s8":
    case "max_pool_s8":
      return after(windowDistance(call.values, true));
    case "depthwise_s8": {
      const { batch, depthMultiplier, inputChannels } = call.values;
      return batch === 1 && depthMultiplier === 1 ? { kind: "channels", channels: inputChannels } : null;
    }
    case "add_s8":
    case "mul_s8":
      return (name === "input" ? call.values.broadcast1 : call.values.broadcast2) === 0 ? after(0) : null;
    case "lookup_s8":
    case "softmax_s8":
      return after(0);
    case "fully_connected_s8":
    case "pad_s8":
    case "mean_s8":
    case "copy_s8":
      return null;
  }
}

const after = (distance: number): Overlap => ({ kind: "after", distance });

/** Whether an input may lie `delta` bytes behind the output. */
export function allows(overlap: Overlap, delta: number): boolean {
  return overlap.kind === "after" ? delta >= overlap.distance : delta % overlap.channels === 0;
}

/**
 * Over every number of pixels that may have been written while later ones are still to be read: what has been
 * written less what will not be read again. With one pixel nothing is read after it is written.
 */
function linearDistance(pixels: number, read: number, written: number): number {
  if (pixels === 1) return Number.NEGATIVE_INFINITY;
  return Math.max(written - read, (pixels - 1) * (written - read));
}

type Windowed = Pick<
  KernelCallOf<"avg_pool_s8">["values"],
  | "batch"
  | "inputHeight"
  | "inputWidth"
  | "inputChannels"
  | "outputHeight"
  | "outputWidth"
  | "outputChannels"
  | "strideHeight"
  | "strideWidth"
  | "padTop"
  | "padLeft"
>;

/**
 * The same for windows: the first byte that any later pixel reads is in its own window or at the start of the next row
 * of windows. Both grow in straight pieces along rows and columns, so that the most is at the ends of a piece.
 *
 * @param isPixelOpen whether a pixel's channels are written while its window is still read, channel by channel
 */
function windowDistance(w: Windowed, isPixelOpen: boolean): number {
  let distance = Number.NEGATIVE_INFINITY;
  const rows = pieceEnds(w.outputHeight, w.inputHeight, w.strideHeight, w.padTop);
  const columns = pieceEnds(w.outputWidth, w.inputWidth, w.strideWidth, w.padLeft);
  const read = (n: number, y: number, x: number) => {
    const row = Math.min(w.inputHeight, Math.max(0, y * w.strideHeight - w.padTop));
    const column = Math.min(w.inputWidth, Math.max(0, x * w.strideWidth - w.padLeft));
    return ((n * w.inputHeight + row) * w.inputWidth + column) * w.inputChannels;
  };
  for (const n of new Set([0, Math.min(1, w.batch - 1), w.batch - 1])) {
    for (const y of rows) {
      const nextRow = y + 1 < w.outputHeight ? read(n, y + 1, 0) : Number.POSITIVE_INFINITY;
      for (const x of columns) {
        const written = ((n * w.outputHeight + y) * w.outputWidth + x) * w.outputChannels;
        if (written > 0 || isPixelOpen)
          distance = Math.max(distance, written - Math.min(nextRow, read(n, y, x)));
      }
    }
  }
  return distance;
}

/** Outputs between which `output * stride - padding`, kept within the input, grows evenly, and so it does for the next. */
function pieceEnds(outputs: number, inputs: number, stride: number, padding: number): Set<number> {
  const ends = [0, 1, outputs - 2, outputs - 1];
  for (const at of [padding, inputs + padding]) {
    const output = Math.floor(at / stride);
    ends.push(output - 1, output, output + 1);
  }
  return new Set(ends.filter((output) => output >= 0 && output < outputs));
}
