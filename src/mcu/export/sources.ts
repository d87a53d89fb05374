import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { KERNELS, type KernelName } from "../../plan/layout.ts";
import { EXITS_SOURCE } from "../firmware.ts";
import { FIRMWARE, includedFiles } from "../sources.ts";

/** Where the program runs from: the flash, or the RAM with all that it is made of. */
export type Resident = "flash" | "ram";

/** The runtime, for any model. */
const RUNTIME = ["runtime.c", "log.c", "support/crc32.c"];

const RP2040 = "targets/rp2040/";

/**
 * The sources of a header's name: `x.h` has `x.c`, and assembly for the chip that does the same as some of it,
 * `x_armv6m.S` or `x_part_armv6m.S`.
 */
function sourcesOf(header: string): string[] {
  if (!header.endsWith(".h")) return [];
  const folder = dirname(header);
  const isItsOwn = new RegExp(`^${basename(header, ".h")}(\\.c|(_\\w+)?_armv6m\\.S)$`);
  return readdirSync(join(FIRMWARE, folder))
    .filter((file) => isItsOwn.test(file))
    .sort()
    .map((file) => join(folder, file).replaceAll("\\", "/"));
}

/** The kernels and all that they and the runtime refer to: a header brings the sources of its name. */
function portableFiles(kernels: readonly KernelName[], hasExits: boolean): string[] {
  const files = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    includedFiles(file).forEach(visit);
    sourcesOf(file).forEach(visit);
  };
  [...RUNTIME, ...(hasExits ? [EXITS_SOURCE] : []), ...kernels.map(kernelFile)].forEach(visit);
  return [...files];
}

function kernelFile(kernel: KernelName): string {
  return `kernels/${kernel}.c`;
}

/** The sources of a kernel: its own, and those that it shares with others. */
export function kernelSources(kernel: KernelName): string[] {
  const file = kernelFile(kernel);
  return [file, ...includedFiles(file).flatMap(sourcesOf)];
}

function targetFiles(resident: Resident): string[] {
  const script = resident === "flash" ? ["boot2.S", "flash.ld"] : ["ram.ld"];
  const files = ["board.c", "board.h", "memory.c", "startup.c", ...script];
  return [...files.map((file) => `${RP2040}${file}`), "targets/host/board.h"];
}

/** Where a file of the folder `firmware` lies in an exported one: portable ones together in `thumbnet`. */
export function exportedPath(file: string): string {
  return file.startsWith("targets/") ? file : `thumbnet/${file}`;
}

/** `kernels.c` of a project: the table of the kernels that it has, and what decides exits. */
function kernelTable(kernels: readonly KernelName[], hasExits: boolean): string {
  const entries = kernels.map((kernel) => `    [${kernel.toUpperCase()}] = ${kernel},\n`);
  const table = entries.length > 0 ? `{\n${entries.join("")}}` : "{0}";
  return `/* The kernels that this model needs, by opcode. */
#include "support/kernel.h"

const thumbnet_kernel thumbnet_kernels[KERNEL_COUNT] = ${table};

${hasExits ? "" : "/* The model has no early exits. */\n"}const thumbnet_decision thumbnet_exit_decision = ${hasExits ? "exit_answers" : "0"};
`;
}

/** The files of a project that are the same for every model, but for which of them there are: path and content. */
export function firmwareFiles(
  kernels: readonly KernelName[],
  hasExits: boolean,
  resident: Resident,
): Map<string, string> {
  const ordered = [...kernels].sort((a, b) => KERNELS[a].opcode - KERNELS[b].opcode);
  const copied = [...portableFiles(kernels, hasExits), ...targetFiles(resident)].map(
    (file) => [exportedPath(file), readFileSync(join(FIRMWARE, file), "utf8")] as const,
  );
  return new Map([...copied, [exportedPath("kernels.c"), kernelTable(ordered, hasExits)]]);
}

/** `main.c`, with the names of the model's own files and functions. */
export function mainSource(name: string): string {
  return readFileSync(join(FIRMWARE, "examples/main.c"), "utf8")
    .replace(/\bmodel(?=_|\.h")/g, name)
    .replace(/\bMODEL(?=_)/g, name.toUpperCase());
}

/** The program that makes a UF2 file, for the machine that builds. */
export function uf2Source(): string {
  return readFileSync(join(FIRMWARE, "targets/host/uf2.c"), "utf8");
}
