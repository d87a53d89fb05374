export { ThumbnetError } from "../errors.ts";
export { type ChipEstimate, type EstimateOptions, estimateChip } from "./cost/estimate.ts";
export type { PredictedOperator } from "./cost/model.ts";
export { NOT_MODELLED } from "./cycles.ts";
export {
  createEmulator,
  type EmulatedOperator,
  type EmulatedRun,
  type EmulatedRunOptions,
  type Emulator,
  type EmulatorOptions,
} from "./emulator.ts";
export { type ChipMemory, type Firmware, loadFirmware } from "./firmware.ts";
export { FLASH_CACHE, INSTRUCTION_KINDS, type KindCycles, type Observed } from "./observe.ts";
