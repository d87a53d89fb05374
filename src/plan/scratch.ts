import type { KernelCall, KernelCallOf } from "./kernel-call.ts";
import { ALIGNMENT, alignUp } from "./layout.ts";

/** Bytes that the chip's kernel needs beside its tensors: the twin of the kernel's use of `scratch` in C. */
export function scratchBytes(call: KernelCall): number {
  switch (call.kernel) {
    case "pointwise_s8": {
      const { columns, pixels, inputChannels } = call.values;
      return packedBytes(columns, pixels, inputChannels);
    }
    case "conv_s8": {
      const { columns, outputHeight, outputWidth } = call.values;
      const { kernelHeight, kernelWidth, inputChannels, groups } = call.values;
      const depth = (kernelHeight * kernelWidth * inputChannels) / groups;
      return packedBytes(columns, outputHeight * outputWidth, depth) + rowCopyBytes(call.values);
    }
    case "fully_connected_s8":
      return 4 * alignUp(call.values.inputChannels, 2);
    case "depthwise_s8":
      return planeBytes(call.values);
    default:
      return 0;
  }
}

/** Pixels that are packed into two words together. */
const PACKED_AT_ONCE = 3;

/** The input rows of the windows of six or three pixels, copied where there is padding or there are groups. */
function rowCopyBytes(v: KernelCallOf<"conv_s8">["values"]): number {
  const covered = (outputs: number, stride: number, reach: number) => (outputs - 1) * stride + reach + 1;
  const reach = (v.kernelHeight - 1) * v.dilationHeight;
  const columns = covered(v.outputWidth, v.strideWidth, (v.kernelWidth - 1) * v.dilationWidth);
  const height = covered(v.outputHeight, v.strideHeight, reach);
  const isPadded = v.padTop > 0 || v.padLeft > 0 || columns > v.inputWidth || height > v.inputHeight;
  if (!isPadded && v.groups === 1) return 0;
  const atOnce = Math.min(v.columns, v.outputHeight * v.outputWidth) > PACKED_AT_ONCE ? 6 : 3;
  // Pixels are taken one after the other, whatever the row: they may begin in the last column of one.
  const crossed = v.outputWidth % atOnce === 0 ? 0 : Math.ceil((atOnce - 1) / v.outputWidth);
  const rows = covered(Math.min(v.outputHeight, 1 + crossed), v.strideHeight, reach);
  return rows * alignUp((columns * v.inputChannels) / v.groups, ALIGNMENT);
}

/** Two words for the inputs of three pixels. */
function packedBytes(columns: number, pixels: number, depth: number): number {
  return depth * (Math.min(columns, pixels) > PACKED_AT_ONCE ? 16 : 8);
}

/** Inputs of a depthwise window up to which the chip works on three outputs at a time. */
const LANE_INPUTS = 32;

/** The plane of a channel, in which an element has two words for three bands of the output, or one for one. */
function planeBytes(v: KernelCallOf<"depthwise_s8">["values"]): number {
  const rows = [v.outputHeight, v.strideHeight, (v.kernelHeight - 1) * v.dilationHeight] as const;
  const columns = [v.outputWidth, v.strideWidth, (v.kernelWidth - 1) * v.dilationWidth] as const;
  const third = (outputs: number) => Math.ceil(outputs / 3);
  const isTransposed = third(columns[0]) * rows[0] < third(rows[0]) * columns[0];
  const [[outer, ...outerSteps], [inner, ...innerSteps]] = isTransposed ? [columns, rows] : [rows, columns];
  const covered = (outputs: number, [stride, reach]: [number, number]) => (outputs - 1) * stride + reach + 1;
  const hasLanes = v.kernelHeight * v.kernelWidth <= LANE_INPUTS;
  const [band, words] = hasLanes ? [third(outer), 2] : [outer, 1];
  return 4 * words * covered(band, outerSteps) * covered(inner, innerSteps);
}
