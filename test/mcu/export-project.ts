/** Exported projects: builds them, runs what was built, here and on an emulated RP2040. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Simulator } from "rp2040js";
import { afterAll } from "vitest";
import { type InputData, loadModel, type OutputData } from "../../src/index.ts";
import type { Project } from "../../src/mcu/export.ts";
import { storedInputs } from "../../src/mcu/implementations.ts";
import { parseLog } from "../../src/mcu/log.ts";
import { crc32, formatCrc } from "../../src/plan/crc32.ts";
import { readImage } from "../../src/plan/image.ts";

export function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

export const hasMake = isInstalled("make") && isInstalled("cc");
export const hasArm = hasMake && isInstalled("arm-none-eabi-gcc");
if (!hasMake) console.warn("SKIPPED: building exported projects (needs make and cc)");
else if (!hasArm) console.warn("SKIPPED: exported projects on the RP2040 (needs arm-none-eabi-gcc)");

/** A folder for the projects of a test file, removed at the end. */
export function projectFolder(): (project: Project) => string {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-projects-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  return ({ files }) => {
    const path = join(folder, `project ${count++}`);
    for (const [file, content] of files) {
      mkdirSync(dirname(join(path, file)), { recursive: true });
      writeFileSync(join(path, file), content);
    }
    return path;
  };
}

/** Runs make, which must succeed; warnings are errors. */
export function make(folder: string, ...args: string[]): string {
  const warnings = "WARNINGS=-Wall -Wextra -Wconversion -Werror";
  const { status, stdout, stderr } = spawnSync("make", ["-s", "-C", folder, warnings, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`make ${args.join(" ")}: exit code ${status}\n${stderr}`);
  return stdout;
}

/** What a log says, without cycles. */
export function readLog(text: string) {
  const [run, ...more] = parseLog(text, "log");
  if (more.length > 0) throw new Error("more than one run");
  const { image, inputs, operators, outputs } = run!;
  return {
    image,
    inputs,
    operators: operators.map((o) => o.crc32),
    outputs: outputs.map(({ bytes }) => [...bytes]),
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: OutputData) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The log of a run as WebAssembly would write it. */
export async function expectedLog(image: Uint8Array, inputs: readonly InputData[]) {
  const model = await loadModel(image);
  const crc = (bytes: Uint8Array) => formatCrc(crc32(bytes));
  const log = {
    image: formatCrc(new DataView(image.buffer, image.byteOffset).getUint32(12, true)),
    inputs: storedInputs(readImage(image), inputs).map(crc),
    operators: model.trace(inputs).map(({ stored }) => crc(stored)),
    outputs: model.runAll(inputs).map((output) => [...bytesOf(output)]),
  };
  model.dispose();
  return log;
}

/** Inputs as the sample of a project. */
export function sampleOf(image: Uint8Array, inputs: readonly InputData[]) {
  return { name: "sample", bytes: new Uint8Array(Buffer.concat(storedInputs(readImage(image), inputs))) };
}

const FLASH = 0x10000000;
const RAM = 0x20000000;
const RAM_BYTES = 264 * 1024;
const NANOSECONDS_PER_CYCLE = 8;

/** Starts a program as the bootrom does, and collects what comes out of UART0 up to a line "end". */
export function runOnChip(program: Uint8Array, address: number): { text: string; stackBytes: number } {
  const { rp2040, clock } = new Simulator();
  const { core, sram, flash } = rp2040;
  const problems: string[] = [];
  const note = (_: string, message: string) => void problems.push(message);
  rp2040.logger = { debug: () => {}, info: () => {}, warn: note, error: note };
  sram.fill(0xc5);
  if (address >= RAM) {
    sram.set(program, address - RAM);
    core.PC = address;
  } else {
    flash.set(program, address - FLASH);
    // Behind the second stage of the boot.
    core.VTOR = address + 256;
    core.reset();
  }
  let text = "";
  rp2040.uart[0].onByte = (byte) => {
    text += String.fromCharCode(byte);
  };
  let lowest = RAM + RAM_BYTES;
  while (!text.endsWith("end\n")) {
    if (core.waiting || core.cycles > 2 ** 31 || problems.length > 0)
      throw new Error(`no end of the log: ${problems[0] ?? text}`);
    clock.tick(core.executeInstruction() * NANOSECONDS_PER_CYCLE);
    // A program in RAM sets it first of all.
    if (core.SP >= RAM) lowest = Math.min(lowest, core.SP);
  }
  return { text, stackBytes: RAM + RAM_BYTES - lowest };
}

/** The bytes that a UF2 file loads, and where to. */
export function readUf2(path: string): { address: number; bytes: Uint8Array } {
  const file = readFileSync(path);
  const blocks = Array.from({ length: file.length / 512 }, (_, i) => file.subarray(512 * i, 512 * (i + 1)));
  const words = blocks.map((block) => Array.from({ length: 8 }, (_, w) => block.readUInt32LE(4 * w)));
  const address = words[0]![3]!;
  words.forEach((head, i) => {
    const expected = [0x0a324655, 0x9e5d5157, 0x2000, address + 256 * i, 256, i, blocks.length, 0xe48bff56];
    if (head.some((word, w) => word !== expected[w])) throw new Error(`UF2 block ${i}: ${head}`);
    if (blocks[i]!.readUInt32LE(508) !== 0x0ab16f30) throw new Error(`UF2 block ${i} has a wrong end`);
  });
  return { address, bytes: Buffer.concat(blocks.map((block) => block.subarray(32, 288))) };
}
