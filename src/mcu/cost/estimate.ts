import { type CompileOptions, imageOf } from "../../plan/compile.ts";
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

export interface EstimateOptions extends Pick<CompileOptions, "optimize" | "foldConstants"> {
  /** What error messages call the model. */
  readonly name?: string;
}

/**
 * Estimates cycles, RAM and flash of a model on the chip.
 *
 * @param model a `.tflite` file, or an image, which keeps the plan that it was made with
 * @throws ThumbnetError when it is damaged or holds what is not supported
 */
export function estimateChip(model: Uint8Array, options: EstimateOptions = {}): ChipEstimate {
  const { name = "model", ...compile } = options;
  const image = imageOf(model, name, compile);
  const memory = chipMemory(readImage(image, name), loadFirmware());
  const stack = Math.max(0, ...imageKernels(image).map((kernel) => STACK[kernel]));
  return {
    ...predictCycles(image),
    memory,
    stack,
    ram: memory.arena + memory.scratch + stack + memory.static,
    flash: memory.code + memory.image,
  };
}
