import { readImage } from "../../plan/image.ts";
import { type ChipMemory, chipMemory, imageKernels, loadFirmware } from "../firmware.ts";
import { STACK } from "./coefficients.ts";
import { type Prediction, predictCycles } from "./model.ts";

/** What an image takes on the chip, without running it there. Bytes, and cycles of a Cortex-M0+ without wait states. */
export interface ChipEstimate extends Prediction {
  readonly memory: ChipMemory;
  /** About the most that its kernels take. */
  readonly stack: number;
  /** Arena, scratch, stack and variables. */
  readonly ram: number;
  /** Code and image. */
  readonly flash: number;
}

/**
 * Estimates cycles, RAM and flash of an image on the chip.
 *
 * @throws ThumbnetError when it is damaged
 */
export function estimateChip(bytes: Uint8Array, name?: string): ChipEstimate {
  const memory = chipMemory(readImage(bytes, name), loadFirmware());
  const stack = Math.max(0, ...imageKernels(bytes).map((kernel) => STACK[kernel]));
  return {
    ...predictCycles(bytes),
    memory,
    stack,
    ram: memory.arena + memory.scratch + stack + memory.static,
    flash: memory.code + memory.image,
  };
}
