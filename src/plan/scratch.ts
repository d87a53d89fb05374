import type { KernelCall } from "./kernel-call.ts";
import { ALIGNMENT, alignUp } from "./layout.ts";

/** Output pixels that the chip's convolution works on at a time. */
const COLUMNS = 2;

/** Bytes that the chip's kernel needs beside its tensors: the twin of the kernel's use of `scratch` in C. */
export function scratchBytes(call: KernelCall): number {
  if (call.kernel !== "conv_s8") return 0;
  const { kernelHeight, kernelWidth, inputChannels, groups } = call.values;
  return alignUp((COLUMNS * kernelHeight * kernelWidth * inputChannels) / groups, ALIGNMENT);
}
