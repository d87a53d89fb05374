import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ThumbnetError } from "../errors.ts";
import { type Image, readImage } from "../plan/image.ts";
import type { KernelName } from "../plan/layout.ts";
import { formatCount } from "../report/table.ts";
import { dequantize, tensorInfo } from "../runtime/tensors.ts";
import { FLASH_BYTES, RAM_BYTES } from "./chip.ts";
import { estimateFigures, type Figures, measureFigures, type Sources } from "./export/figures.ts";
import { makefile } from "./export/makefile.ts";
import { modelHeader, modelSource, SAMPLE_HEADER, sampleSource } from "./export/model.ts";
import { readme } from "./export/readme.ts";
import {
  exportedPath,
  firmwareFiles,
  kernelSources,
  mainSource,
  type Resident,
  uf2Source,
} from "./export/sources.ts";
import { type FirmwareDescription, imageKernels, loadFirmware } from "./firmware.ts";

const LICENSE = fileURLToPath(new URL("../../LICENSE", import.meta.url));

export interface ExportOptions {
  /** Prefix of the C names, and name of the model's files; default `model`. */
  readonly name?: string;
  /** The model's file, without a folder, for comments and messages. */
  readonly modelFile: string;
  /** Default: flash. */
  readonly resident?: Resident;
  /**
   * What `main.c` runs on: the inputs one after the other, as the chip takes them; default: zeros. The name is for
   * messages.
   */
  readonly sample?: { readonly name: string; readonly bytes: Uint8Array };
  /** Where sizes come from without a compiler; default: the firmware that comes with the package. */
  readonly firmware?: FirmwareDescription;
  /** Do not look for an Arm compiler. */
  readonly withoutCompiler?: boolean;
}

/** Bytes that a program takes on the chip. */
export interface Memory {
  readonly image: number;
  readonly sample: number;
  readonly arena: number;
  readonly scratch: number;
  /** Code and constants, without image and sample. */
  readonly code: number;
  /** Variables, without arena and scratch. */
  readonly static: number;
  /** What is kept for the stack, at least. */
  readonly stackReserve: number;
  /** The whole of the flash, and of the RAM with the stack reserve. A program in RAM takes no flash. */
  readonly flash: number;
  readonly ram: number;
}

/** A project in C, ready to be written. */
export interface Project {
  readonly name: string;
  readonly resident: Resident;
  readonly kernels: readonly KernelName[];
  /** By path, with `/` between folders. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly figures: Figures;
  readonly memory: Memory;
}

/** Names that files or functions of a project have already. */
const RESERVED = new Set(["board", "main", "sample", "thumbnet"]);

/** Why a name cannot be the prefix of a project; null when it can. */
export function nameProblem(name: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_]{0,31}$/.test(name)) {
    return "it must be a C identifier: a letter, then letters, digits and _, 32 characters at most";
  }
  return RESERVED.has(name.toLowerCase()) ? "the project has files or functions of that name already" : null;
}

/**
 * A model as a self-contained project in C, for a Raspberry Pi Pico and for the machine that builds it.
 *
 * @param bytes the image
 * @throws ThumbnetError when the image is damaged, the sample has another length than the inputs, or the program is
 *   too large for the chip
 */
export function exportProject(bytes: Uint8Array, options: ExportOptions): Project {
  const { modelFile, name = "model", resident = "flash", firmware = loadFirmware() } = options;
  const problem = nameProblem(name);
  if (problem) throw new ThumbnetError(`name "${name}": ${problem}`);
  const image = readImage(bytes, modelFile);
  const sample = options.sample ? checkSample(options.sample, image) : null;
  const kernels = imageKernels(bytes);
  const code = codeFiles(image, name, modelFile, kernels, resident, sample);
  const { files, sources } = code;

  const estimate = estimateFigures(sources, code.origins, firmware);
  checkFits(modelFile, memoryOf(image, sample, estimate, firmware, resident), resident);
  const figures = (options.withoutCompiler ? null : measureFigures(sources)) ?? estimate;
  const memory = memoryOf(image, sample, figures, firmware, resident);
  const sampleFiles = inputFiles(image, sample);
  const about = { name, modelFile, image, kernels, resident, figures, memory };
  const all = new Map<string, string | Uint8Array>([
    ...files,
    ...sampleFiles,
    ["LICENSE", readFileSync(LICENSE, "utf8")],
    ["README.md", readme({ ...about, sampleFiles: [...sampleFiles.keys()] })],
  ]);
  return { name, resident, kernels, files: all, figures, memory };
}

function checkSample({ name, bytes }: NonNullable<ExportOptions["sample"]>, image: Image): Uint8Array {
  const needed = image.inputs.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
  if (bytes.length === needed) return bytes;
  const parts = image.inputs.map((input) => `"${input.name}" ${input.tensor.bytes}`).join(", ");
  throw new ThumbnetError(`${name}: has ${bytes.length} bytes; one run takes ${needed} of int8 (${parts})`);
}

interface Code {
  readonly files: Map<string, string>;
  readonly sources: Sources;
  /** The name that a file has in `firmware`. */
  readonly origins: ReadonlyMap<string, string>;
}

function codeFiles(
  image: Image,
  name: string,
  modelFile: string,
  kernels: readonly KernelName[],
  resident: Resident,
  sample: Uint8Array | null,
): Code {
  const firmware = firmwareFiles(kernels, image.exits.length > 0, resident);
  const files = new Map([
    ["main.c", mainSource(name)],
    [`${name}.c`, modelSource(image, name)],
    [`${name}.h`, modelHeader(image, name, modelFile)],
    ["sample.c", sampleSource(sample && new Int8Array(sample))],
    ["sample.h", SAMPLE_HEADER],
    ["tools/uf2.c", uf2Source()],
    ...firmware,
  ]);
  const built = [...files.keys()].filter((path) => /\.[cS]$/.test(path) && !path.startsWith("tools/"));
  const [portable, pico] = [false, true].map((onPico) =>
    built.filter((path) => (path.startsWith("targets/") || path.endsWith(".S")) === onPico).sort(),
  ) as [string[], string[]];
  files.set("Makefile", makefile(resident, portable, pico));
  const data = [
    { file: `${name}.c`, code: image.bytes.length, ram: image.arenaBytes + image.scratchBytes },
    { file: "sample.c", code: sample?.length ?? 0, ram: 0 },
  ];
  const chains = kernels.map((kernel) => kernelSources(kernel).map(exportedPath));
  const sources = { files, sources: [...portable, ...pico], resident, data, kernels: chains };
  return { files, sources, origins: new Map([...firmware.keys()].map((path) => [path, originOf(path)])) };
}

const originOf = (path: string) => path.replace(/^thumbnet\//, "");

function memoryOf(
  image: Image,
  sample: Uint8Array | null,
  { parts }: Figures,
  { symbols }: FirmwareDescription,
  resident: Resident,
): Memory {
  const [code, variables] = (["code", "ram"] as const).map((key) =>
    parts.reduce((sum, part) => sum + part[key], 0),
  ) as [number, number];
  const sizes = {
    image: image.bytes.length,
    sample: sample?.length ?? 0,
    arena: image.arenaBytes,
    scratch: image.scratchBytes,
    code,
    static: variables,
    stackReserve: symbols.stack_bytes,
  };
  const program = sizes.image + sizes.sample + code;
  const data = sizes.arena + sizes.scratch + variables + symbols.stack_bytes;
  return resident === "flash"
    ? { ...sizes, flash: program, ram: data }
    : { ...sizes, flash: 0, ram: program + data };
}

function checkFits(modelFile: string, memory: Memory, resident: Resident): void {
  const { image, sample, code, arena, scratch, stackReserve } = memory;
  const format = (parts: Record<string, number>) =>
    Object.entries(parts)
      .filter(([, bytes]) => bytes > 0)
      .map(([what, bytes]) => `${what} ${formatCount(bytes)}`)
      .join(", ");
  const program = { image, sample, code };
  const data = { arena, scratch, variables: memory.static, stack: stackReserve };
  const refuse = (
    where: string,
    needed: number,
    there: number,
    parts: Record<string, number>,
    hint: string,
  ) => {
    throw new ThumbnetError(
      `${modelFile}: too large for the ${where} of a Raspberry Pi Pico: ${formatCount(needed)} of ${formatCount(there)} bytes (${format(parts)})${hint}`,
    );
  };
  if (memory.flash > FLASH_BYTES) refuse("flash", memory.flash, FLASH_BYTES, program, "");
  if (memory.ram > RAM_BYTES) {
    const fitsInFlash = resident === "ram" && Object.values(data).reduce((a, b) => a + b) <= RAM_BYTES;
    const hint = fitsInFlash ? "; with --resident flash it fits" : "";
    refuse("RAM", memory.ram, RAM_BYTES, resident === "ram" ? { ...program, ...data } : data, hint);
  }
}

/** The sample as `thumbnet verify` takes it: a file for each input, of the elements that the model declares. */
function inputFiles({ inputs }: Image, sample: Uint8Array | null): Map<string, Uint8Array> {
  let at = 0;
  return new Map(
    inputs.map(({ name, tensor }, i) => {
      const stored = sample?.slice(at, at + tensor.bytes) ?? new Uint8Array(tensor.bytes);
      at += tensor.bytes;
      const isFloat = tensor.dtype === "float32";
      const values = isFloat ? dequantize(new Int8Array(stored.buffer), tensorInfo(name, tensor)) : stored;
      const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return [inputs.length === 1 ? "sample.bin" : `sample-${i}.bin`, content];
    }),
  );
}
