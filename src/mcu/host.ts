import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { endianness, tmpdir } from "node:os";
import { join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { readImage } from "../plan/image.ts";
import { FIRMWARE, portableSources } from "./sources.ts";

export interface HostOptions {
  /** Build with AddressSanitizer and UndefinedBehaviorSanitizer: slower, and stops at the first fault. */
  readonly sanitize?: boolean;
  /** A folder of C sources laid out as `firmware/`, instead of the package's own. */
  readonly firmware?: string;
}

/** What one operator left behind. */
export interface HostStep {
  readonly index: number;
  /** The output's bytes in the arena or, for a constant, in the image. */
  readonly stored: Uint8Array;
  readonly arena: Uint8Array;
}

export interface HostRun {
  /** Of the operators that ran: with an early exit that answers not all. */
  readonly steps: readonly HostStep[];
  /** The output that answered. */
  readonly answered: number;
}

const WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror"];
const SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** The first C compiler that answers; null where there is none. */
export function hostCompiler(): string | null {
  const names = process.env.CC ? [process.env.CC] : ["cc", "gcc", "clang"];
  return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0) ?? null;
}

/**
 * The firmware as a program of this machine, built on first use and kept in the temporary folder under a hash of
 * its sources.
 *
 * @throws ThumbnetError when there is no C compiler, or it fails
 */
export function buildHost({ sanitize = false, firmware = FIRMWARE }: HostOptions = {}): string {
  const compiler = hostCompiler();
  if (!compiler) {
    throw new ThumbnetError(
      "no C compiler found for the host: install gcc or clang (or set CC); WebAssembly and the emulated chip work without",
    );
  }
  const main = "targets/host/main.c";
  if (!existsSync(join(firmware, main)))
    throw new ThumbnetError(`${firmware}: holds no firmware sources (no ${main})`);
  const sources = [...portableSources(firmware), main];
  const flags = ["-std=c99", "-O2", ...WARNINGS, ...(sanitize ? SANITIZERS : [])];
  const program = join(tmpdir(), `thumbnet-host-${hash(firmware, [compiler, ...flags])}`);
  if (existsSync(program)) return program;
  const unfinished = `${program}.${process.pid}`;
  try {
    execFileSync(compiler, [...flags, ...sources, "-o", unfinished], {
      cwd: firmware,
      stdio: ["ignore", "ignore", "pipe"],
    });
  } catch (error) {
    throw new ThumbnetError(
      `${compiler} cannot build the firmware for the host:\n${(error as { stderr: Buffer }).stderr}`,
    );
  }
  renameSync(unfinished, program);
  return program;
}

/** Over the flags and every C file and header. */
function hash(firmware: string, flags: readonly string[]): string {
  const digest = createHash("sha256").update(flags.join(" "));
  for (const folder of ["", "kernels", "support", "targets/host"]) {
    for (const file of readdirSync(join(firmware, folder)).sort()) {
      if (/\.[ch]$/.test(file)) digest.update(file).update(readFileSync(join(firmware, folder, file)));
    }
  }
  return digest.digest("hex").slice(0, 16);
}

/** An image, and for each run the bytes of its inputs, one input after the other, as they lie in the arena. */
export interface HostJob {
  readonly image: Uint8Array;
  readonly runs: readonly Uint8Array[];
}

/**
 * Runs images on this machine's build of the C kernels, all in one process.
 *
 * @returns for each job what each run left behind
 */
export function runHost(jobs: readonly HostJob[], options: HostOptions = {}): HostRun[][] {
  const program = buildHost(options);
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-run-"));
  try {
    const files = jobs.map(({ image, runs }, i) => {
      const [imageFile, inputFile] = [join(folder, `${i}.image`), join(folder, `${i}.input`)];
      writeFileSync(imageFile, image);
      writeFileSync(inputFile, Buffer.concat(runs));
      return [imageFile, inputFile, join(folder, `${i}.arena`)] as const;
    });
    const { status, stderr } = spawnSync(program, ["--arena", ...files.flat()], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) throw new ThumbnetError(`the C kernels failed on the host:\n${stderr}`);
    return jobs.map((job, i) => splitArenas(job, new Uint8Array(readFileSync(files[i]![2]))));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** See `firmware/targets/host/main.c`. */
function splitArenas({ image, runs }: HostJob, dump: Uint8Array): HostRun[] {
  const { operators, arenaBytes } = readImage(image);
  const heads = new DataView(dump.buffer, dump.byteOffset, dump.byteLength);
  let at = 0;
  const isLittleEndian = endianness() === "LE";
  return runs.map(() => {
    const [count, answered] = [heads.getUint32(at, isLittleEndian), heads.getUint32(at + 4, isLittleEndian)];
    at += 8;
    const steps = operators.slice(0, count).map(({ output: { space, offset, bytes } }, index) => {
      const arena = dump.subarray(at, at + arenaBytes);
      at += arenaBytes;
      return { index, arena, stored: (space === "image" ? image : arena).subarray(offset, offset + bytes) };
    });
    return { steps, answered };
  });
}
