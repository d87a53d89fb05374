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
      const row = (kernelWidth * inputChannels) / groups;
      const pixels = outputHeight * outputWidth;
      return packedBytes(columns, pixels, kernelHeight * row) + alignUp(PACKED_AT_ONCE * row, ALIGNMENT);
    }
    case "fully_connected_s8":
      return 4 * alignUp(call.values.inputChannels, 2);
    case "depthwise_s8":
      return planeBytes(call.values);
    default:
      return 0;
  }
}

/** Pixels that are packed into words together, each from a row of its window. */
const PACKED_AT_ONCE = 3;

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
