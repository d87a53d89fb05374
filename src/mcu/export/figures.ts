/** What a project takes on the chip: from a build where there is a compiler, else from the prebuilt firmware. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ThumbnetError } from "../../errors.ts";
import { FLASH } from "../chip.ts";
import { type FirmwareDescription, reachedSources } from "../firmware.ts";
import { ARM, COMPILE, CPU, INCLUDE, LIBRARIES, linkFlags, PICO_INCLUDE } from "./makefile.ts";
import type { Resident } from "./sources.ts";

/** Bytes that one file is compiled to. */
export interface Part {
  readonly file: string;
  /** Code and constants. */
  readonly code: number;
  /** Variables. */
  readonly ram: number;
}

export interface Figures {
  /** The compiler that they come from. */
  readonly compiler: string;
  /** Measured on this very project; else added up from the objects of the prebuilt firmware. */
  readonly isBuilt: boolean;
  /** By file, without the image, the sample, the arena and scratch. The last are libgcc and what alignment takes. */
  readonly parts: readonly Part[];
  /** No chain of calls takes more stack. */
  readonly stack: number;
}

/** What the figures are of. */
export interface Sources {
  readonly files: ReadonlyMap<string, string>;
  /** The `.c` and `.S` files of the program for the Pico. */
  readonly sources: readonly string[];
  readonly resident: Resident;
  /** Bytes of data that are reported on their own. */
  readonly data: { readonly file: string; readonly code: number; readonly ram: number }[];
  /** For each kernel, the files that can be on the stack at once while it runs. */
  readonly kernels: readonly (readonly string[])[];
}

const LIBGCC = "libgcc (division)";
const ALIGNMENT = "alignment";

/** An exception on top of the deepest call (32 bytes, aligned to 8), and what the division of libgcc pushes. */
const STACK_BESIDE = 72;

/** Code of `main.c`, of the calls in the model's file, and of the padding: at most. */
const OWN_CODE = 768;
/** The `thumbnet_model` of the model's file. */
const HANDLE = 12;
const OWN_CODE_NAME = "main.c, the calls of the model, alignment (at most)";

/**
 * From the objects of the prebuilt firmware.
 *
 * @param origins for each source that is compiled there, its name there
 */
export function estimateFigures(
  { sources }: Sources,
  origins: ReadonlyMap<string, string>,
  firmware: FirmwareDescription,
): Figures {
  const known = sources.filter((file) => firmware.objects[origins.get(file) ?? ""]);
  const parts = known.map((file): Part => {
    const { flash, ram } = firmware.objects[origins.get(file)!]!;
    return { file, code: flash, ram };
  });
  // The prebuilt table refers to every kernel; a project's has only its own.
  const roots = known.map((file) => origins.get(file)!).filter((name) => name !== "kernels.c");
  const division = [...reachedSources(firmware, roots)].filter((name) => name.startsWith("libgcc/"));
  const code = division.reduce((sum, name) => sum + firmware.objects[name]!.flash, 0);
  parts.push({ file: LIBGCC, code, ram: 0 }, { file: OWN_CODE_NAME, code: OWN_CODE, ram: HANDLE });
  return { compiler: firmware.compiler, isBuilt: false, parts, stack: firmware.symbols.stack_bytes };
}

/** What the Arm compiler calls itself; null where there is none that can build a project. */
function armCompiler(): string | null {
  const name = `${ARM}gcc`;
  const { status, stdout } = spawnSync(name, ["--version"], { encoding: "utf8" });
  if (status !== 0) return null;
  const headers = spawnSync(name, ["-E", "-x", "c", "-"], { input: "#include <string.h>\n", stdio: "pipe" });
  return headers.status === 0 ? stdout.split("\n")[0]! : null;
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) {
    throw new ThumbnetError(`the project cannot be built by ${command}: ${error?.message ?? stderr.trim()}`);
  }
}

/**
 * Builds the project in a temporary folder, and measures it.
 *
 * @returns null where there is no Arm compiler
 * @throws ThumbnetError when the compiler or linker refuses the project
 */
export function measureFigures(project: Sources): Figures | null {
  const compiler = armCompiler();
  if (!compiler) return null;
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-export-"));
  try {
    for (const [path, content] of project.files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const gcc = `${ARM}gcc`;
    const objects = project.sources.map((source, i) => {
      const object = `${i}.o`;
      const flags = [...CPU, ...COMPILE, ...INCLUDE, PICO_INCLUDE, "-fstack-usage"];
      run(gcc, [...flags, "-c", source, "-o", object], folder);
      return object;
    });
    const link = [...CPU, ...linkFlags(project.resident), "-Wl,-Map=map", ...objects, ...LIBRARIES];
    run(gcc, [...link, "-o", "elf"], folder);
    run(`${ARM}objcopy`, ["-O", "binary", "elf", "bin"], folder);
    const total = readFileSync(join(folder, "bin")).length;
    return {
      compiler,
      isBuilt: true,
      parts: withoutData(
        mapParts(readFileSync(join(folder, "map"), "utf8"), project.sources, total),
        project,
      ),
      stack: stackBound(folder, project),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What each object brings into the program, from the linker's map. */
function mapParts(map: string, sources: readonly string[], total: number): Part[] {
  const sizes = new Map<string, { code: number; ram: number }>();
  const placed = map.slice(map.indexOf("Linker script and memory map"));
  // What is not loaded, such as notes of the compiler, lies at addresses from 0.
  for (const [, section, address, size, object] of placed.matchAll(
    /^ (\.\S+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$/gm,
  )) {
    const bytes = Number.parseInt(size!, 16);
    if (bytes === 0 || Number.parseInt(address!, 16) < FLASH) continue;
    const index = /^(\d+)\.o$/.exec(object!)?.[1];
    const file = index === undefined ? LIBGCC : sources[Number(index)]!;
    const entry = sizes.get(file) ?? { code: 0, ram: 0 };
    sizes.set(file, entry);
    if (!/^(\.bss|COMMON)/.test(section!)) entry.code += bytes;
    if (/^(\.bss|COMMON|\.data)/.test(section!)) entry.ram += bytes;
  }
  const parts = [...sources, LIBGCC].flatMap((file) => {
    const size = sizes.get(file);
    return size ? [{ file, ...size }] : [];
  });
  const known = parts.reduce((sum, { code }) => sum + code, 0);
  return [...parts, { file: ALIGNMENT, code: total - known, ram: 0 }];
}

function withoutData(parts: readonly Part[], { data }: Sources): Part[] {
  return parts.map(({ file, code, ram }) => {
    const own = data.filter((entry) => entry.file === file);
    return {
      file,
      code: own.reduce((rest, entry) => rest - entry.code, code),
      ram: own.reduce((rest, entry) => rest - entry.ram, ram),
    };
  });
}

/** The compiler knows nothing of the stack that assembly takes: the source says it. */
function assemblyFrames(files: ReadonlyMap<string, string>): [file: string, bytes: number][] {
  return [...files].flatMap(([file, content]) => {
    const bytes = /^ *\.equ STACK_BYTES, (\d+)$/m.exec(content)?.[1];
    return bytes === undefined ? [] : [[file, Number(bytes)]];
  });
}

/**
 * No function calls itself, so that none is on the stack twice: all the functions of the files that are there for
 * every kernel, and those of the kernel that needs most.
 */
function stackBound(folder: string, { files, sources, kernels }: Sources): number {
  const frames = new Map([
    ...assemblyFrames(files),
    ...readdirSync(folder)
      .filter((file) => file.endsWith(".su"))
      .map((file) => {
        const lines = readFileSync(join(folder, file), "utf8").trim().split("\n");
        const bytes = lines.reduce((sum, line) => sum + Number(line.split("\t")[1] ?? 0), 0);
        return [sources[Number.parseInt(file, 10)]!, bytes] as const;
      }),
  ]);
  const sum = (files: readonly string[]) => files.reduce((total, file) => total + (frames.get(file) ?? 0), 0);
  const ofKernels = new Set(kernels.flat());
  const always = sum(sources.filter((source) => !ofKernels.has(source)));
  return always + Math.max(0, ...kernels.map(sum)) + STACK_BESIDE;
}
