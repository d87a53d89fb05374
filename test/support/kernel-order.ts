/**
 * In which order the chip's kernels read their inputs and write their output: what outputs that lie on inputs rely on.
 * Written down byte by byte from what the kernels promise, not from the rules of the planner.
 */
import type { KernelCall } from "../../src/plan/kernel-call.ts";
import type { InputName } from "../../src/plan/overlap.ts";

/** Bytes relative to their operand; all reads of a step come before its writes. */
export interface Access {
  readonly reads: readonly { readonly name: InputName; readonly at: number }[];
  readonly writes: readonly number[];
}

const range = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);
const ofInput = (at: number) => ({ name: "input" as const, at });

type Values<K> = Extract<KernelCall, { kernel: K }>["values"];
type Window = Values<"conv_s8" | "depthwise_s8" | "avg_pool_s8" | "max_pool_s8">;

/** The input elements that an output pixel's window covers, as pixels of the input. */
function windowPixels(w: Window, n: number, y: number, x: number): number[] {
  const [down, right] = [w.dilationHeight, w.dilationWidth];
  const pixels: number[] = [];
  for (let ky = 0; ky < w.kernelHeight; ky++) {
    for (let kx = 0; kx < w.kernelWidth; kx++) {
      const iy = y * w.strideHeight - w.padTop + ky * down;
      const ix = x * w.strideWidth - w.padLeft + kx * right;
      const isInside = iy >= 0 && iy < w.inputHeight && ix >= 0 && ix < w.inputWidth;
      if (isInside) pixels.push((n * w.inputHeight + iy) * w.inputWidth + ix);
    }
  }
  return pixels;
}

function* pixelsOf(w: Window): Generator<{ n: number; y: number; x: number; index: number }> {
  let index = 0;
  for (let n = 0; n < w.batch; n++)
    for (let y = 0; y < w.outputHeight; y++)
      for (let x = 0; x < w.outputWidth; x++) yield { n, y, x, index: index++ };
}

/** Pixels whose inputs are copied together, then written; `size` says how many the next group has. */
function* groups(
  pixels: readonly { reads: number[]; writes: number[] }[],
  size: () => number,
): Generator<Access> {
  for (let at = 0; at < pixels.length; ) {
    const group = pixels.slice(at, at + size());
    at += group.length;
    yield {
      reads: group.flatMap(({ reads }) => reads.map(ofInput)),
      writes: group.flatMap(({ writes }) => writes),
    };
  }
}

/** @param groupSize how many pixels convolutions take at a time: any number is allowed, different ones in turn too */
export function* accessesOf(call: KernelCall, groupSize: () => number = () => 1): Generator<Access> {
  switch (call.kernel) {
    case "pointwise_s8": {
      const { pixels, inputChannels, outputChannels } = call.values;
      const all = range(pixels).map((p) => ({
        reads: range(inputChannels, p * inputChannels),
        writes: range(outputChannels, p * outputChannels),
      }));
      yield* groups(all, groupSize);
      return;
    }
    case "conv_s8": {
      const w = call.values;
      const all = [...pixelsOf(w)].map(({ n, y, x, index }) => ({
        reads: windowPixels(w, n, y, x).flatMap((p) => range(w.inputChannels, p * w.inputChannels)),
        writes: range(w.outputChannels, index * w.outputChannels),
      }));
      yield* groups(all, groupSize);
      return;
    }
    case "depthwise_s8": {
      // One channel after the other: its whole plane, then its outputs.
      const w = call.values;
      const pixels = w.batch * w.inputHeight * w.inputWidth;
      for (let c = 0; c < w.inputChannels; c++) {
        const reads = range(pixels).map((p) => ofInput(p * w.inputChannels + c));
        for (let m = 0; m < w.depthMultiplier; m++) {
          const channel = c * w.depthMultiplier + m;
          yield { reads, writes: [...pixelsOf(w)].map(({ index }) => index * w.outputChannels + channel) };
        }
      }
      return;
    }
    case "avg_pool_s8":
    case "max_pool_s8": {
      const w = call.values;
      for (const { n, y, x, index } of pixelsOf(w)) {
        for (let c = 0; c < w.inputChannels; c++) {
          const reads = windowPixels(w, n, y, x).map((p) => ofInput(p * w.inputChannels + c));
          yield { reads, writes: [index * w.inputChannels + c] };
        }
      }
      return;
    }
    case "add_s8":
    case "mul_s8": {
      const { dim0, dim1, dim2, dim3, broadcast1, broadcast2 } = call.values;
      const sizes = [dim0, dim1, dim2, dim3];
      const offset = (index: readonly number[], mask: number) =>
        sizes.reduce((at, size, d) => ((mask >> d) & 1 ? at : at * size + index[d]!), 0);
      let at = 0;
      for (const a of range(dim0))
        for (const b of range(dim1))
          for (const c of range(dim2))
            for (const d of range(dim3)) {
              const index = [a, b, c, d];
              const reads = [
                { name: "input" as const, at: offset(index, broadcast1) },
                { name: "input2" as const, at: offset(index, broadcast2) },
              ];
              yield { reads, writes: [at++] };
            }
      return;
    }
    case "lookup_s8":
      for (const i of range(call.values.count)) yield { reads: [ofInput(i)], writes: [i] };
      return;
    case "softmax_s8": {
      const { rows, depth } = call.values;
      for (const row of range(rows)) {
        yield { reads: range(depth, row * depth).map(ofInput), writes: [] };
        for (const i of range(depth, row * depth)) yield { reads: [ofInput(i)], writes: [i] };
      }
      return;
    }
    case "fully_connected_s8": {
      const { batch, inputChannels, outputChannels } = call.values;
      for (const n of range(batch))
        for (const c of range(outputChannels)) {
          yield {
            reads: range(inputChannels, n * inputChannels).map(ofInput),
            writes: [n * outputChannels + c],
          };
        }
      return;
    }
    case "copy_s8": {
      const { rows, rowBytes, outputStride } = call.values;
      for (const row of range(rows)) {
        yield {
          reads: range(rowBytes, row * rowBytes).map(ofInput),
          writes: range(rowBytes, row * outputStride),
        };
      }
      return;
    }
    case "pad_s8":
    case "mean_s8":
      throw new Error(`${call.kernel}: its order is nobody's business`);
  }
}
