export { ThumbnetError } from "../errors.ts";
export { NOT_MODELLED } from "./cycles.ts";
export {
  type ChipMemory,
  createEmulator,
  type EmulatedOperator,
  type EmulatedRun,
  type EmulatedRunOptions,
  type Emulator,
  type EmulatorOptions,
} from "./emulator.ts";
export { type Firmware, loadFirmware } from "./firmware.ts";
