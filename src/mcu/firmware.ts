import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import type { Image } from "../plan/image.ts";
import { HEADER, KERNELS, type KernelName, RECORD_BYTES, structLayout } from "../plan/layout.ts";
import { readStruct } from "../plan/struct.ts";
import { FIRMWARE } from "./sources.ts";

/** Sizes of what one source was compiled to, and the sources (or members of libgcc) that it refers to. */
interface FirmwareObject {
  readonly flash: number;
  readonly ram: number;
  readonly uses: readonly string[];
}

/** `rp2040.json` of `scripts/build-firmware.mjs`. */
export interface FirmwareDescription {
  readonly compiler: string;
  /** SHA-256 over flags and sources. */
  readonly sources: string;
  /** SHA-256 of the code. */
  readonly sha256: string;
  readonly bytes: number;
  /** Bytes of variables. */
  readonly ram_bytes: number;
  /** Where the image is to lie in flash. */
  readonly image_address: number;
  readonly symbols: {
    readonly mailbox: number;
    readonly vectors: number;
    readonly bss_end: number;
    readonly stack_top: number;
    /** Bytes that are kept for the stack. */
    readonly stack_bytes: number;
  };
  /** By source, relative to the folder `firmware`. */
  readonly objects: Readonly<Record<string, FirmwareObject>>;
}

/** The firmware that runs any image on an RP2040. */
export interface Firmware extends FirmwareDescription {
  readonly code: Uint8Array;
}

export const PREBUILT = join(FIRMWARE, "prebuilt");

/**
 * Reads the firmware that `scripts/build-firmware.mjs` wrote.
 *
 * @param folder default: the one that comes with the package
 * @throws ThumbnetError when it is not there or does not fit its description
 */
export function loadFirmware(folder: string = PREBUILT): Firmware {
  try {
    const description: FirmwareDescription = JSON.parse(readFileSync(join(folder, "rp2040.json"), "utf8"));
    const code = new Uint8Array(readFileSync(join(folder, "rp2040.bin")));
    if (code.length !== description.bytes) {
      throw new Error(`rp2040.bin has ${code.length} bytes, rp2040.json says ${description.bytes}`);
    }
    return { ...description, code };
  } catch (error) {
    throw new ThumbnetError(
      `${folder}: ${(error as Error).message}; the firmware is built by "npm run firmware"`,
    );
  }
}

/** The kernels that an image's records ask for. The image must have been checked. */
export function imageKernels(image: Uint8Array): KernelName[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { recordsOffset, recordCount } = readStruct<typeof HEADER>(view, 0, structLayout(HEADER));
  const opcodes = new Set(
    Array.from({ length: recordCount }, (_, i) => image[recordsOffset + i * RECORD_BYTES]),
  );
  return (Object.keys(KERNELS) as KernelName[]).filter((name) => opcodes.has(KERNELS[name].opcode));
}

/** What decides early exits: only programs of models that have some need it. */
export const EXITS_SOURCE = "support/exits.c";

/** What every program has, beside its kernels. */
const ALWAYS = ["runtime.c", "targets/rp2040/boot2.S", "targets/rp2040/startup.c"];
/** `kernels.c` of an exported program: one pointer for each opcode, and that of what decides exits. */
const KERNEL_TABLE_BYTES = 4 * (2 + Math.max(...Object.values(KERNELS).map(({ opcode }) => opcode)));

/** Some sources, and what they use of others and of libgcc, directly or not. */
export function reachedSources(
  { objects }: Pick<FirmwareDescription, "objects">,
  roots: readonly string[],
): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (source: string): void => {
    if (reached.has(source)) return;
    const object = objects[source];
    if (!object) throw new ThumbnetError(`the firmware has no ${source}: run "npm run firmware"`);
    reached.add(source);
    object.uses.forEach(visit);
  };
  roots.forEach(visit);
  return reached;
}

/**
 * Bytes of flash that a program's code takes with some kernels: those, the runtime, the start-up code and what
 * they use of libgcc. `main` is not in it.
 *
 * @param more further sources, such as `log.c` and `targets/rp2040/board.c`
 */
export function codeBytes(
  firmware: FirmwareDescription,
  kernels: readonly KernelName[],
  more: readonly string[] = [],
): number {
  const reached = reachedSources(firmware, [
    ...ALWAYS,
    ...more,
    ...kernels.map((name) => `kernels/${name}.c`),
  ]);
  return [...reached].reduce((sum, source) => sum + firmware.objects[source]!.flash, KERNEL_TABLE_BYTES);
}

/** Bytes that a model takes on the chip. */
export interface ChipMemory {
  readonly arena: number;
  /** What kernels need beside it, right behind it. */
  readonly scratch: number;
  /** Variables of the firmware. */
  readonly static: number;
  /** Code in flash: the model's kernels, the runtime and the start-up code, without `main`. */
  readonly code: number;
  /** The image in flash (or RAM). */
  readonly image: number;
}

/** Those of an image. */
export function chipMemory(image: Image, firmware: FirmwareDescription): ChipMemory {
  return {
    arena: image.arenaBytes,
    scratch: image.scratchBytes,
    static: firmware.ram_bytes,
    code: codeBytes(firmware, imageKernels(image.bytes), image.exits.length > 0 ? [EXITS_SOURCE] : []),
    image: image.bytes.length,
  };
}
