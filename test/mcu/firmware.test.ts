// The prebuilt firmware is what the sources give; boot, clock, serial port and cycle counter of the board work.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RP2040 } from "rp2040js";
import { afterAll, describe, expect, it } from "vitest";
import { loadFirmware } from "../../src/mcu/firmware.ts";
import { FIRMWARE } from "../../src/mcu/sources.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/build-firmware.mjs", import.meta.url));
const GCC = "arm-none-eabi-gcc";
const BOOT2_BYTES = 256;

const compiler = spawnSync(GCC, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? null;
const isSameCompiler = compiler === loadFirmware().compiler;
if (!compiler) console.warn(`SKIPPED: building firmware for the RP2040 (no ${GCC})`);
else if (!isSameCompiler)
  console.warn(`SKIPPED: comparing a rebuilt firmware (${compiler}, not ${loadFirmware().compiler})`);

const folder = mkdtempSync(join(tmpdir(), "thumbnet-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the prebuilt firmware", () => {
  it("is of the present sources", () => {
    const hash = execFileSync(process.execPath, [SCRIPT, "--hash"], { encoding: "utf8" }).trim();
    expect(loadFirmware().sources, 'the sources have changed: run "npm run firmware"').toBe(hash);
  });

  it.skipIf(!isSameCompiler)("is what a rebuild gives, to the byte", () => {
    execFileSync(process.execPath, [SCRIPT, "--out", folder], { stdio: "pipe" });
    for (const file of ["rp2040.bin", "rp2040.json"]) {
      const isSame = readFileSync(join(folder, file)).equals(readFileSync(join(FIRMWARE, "prebuilt", file)));
      expect(isSame, `${file} differs: run "npm run firmware"`).toBe(true);
    }
  });

  it("begins with a second stage that the bootrom accepts", () => {
    const code = Buffer.from(loadFirmware().code);
    let crc = 0xffffffffn;
    for (const byte of code.subarray(0, BOOT2_BYTES - 4)) {
      for (let bit = 7; bit >= 0; bit--) {
        const carry = (crc >> 31n) ^ BigInt((byte >> bit) & 1);
        crc = ((crc << 1n) & 0xffffffffn) ^ (carry ? 0x04c11db7n : 0n);
      }
    }
    expect(BigInt(code.readUInt32LE(BOOT2_BYTES - 4))).toBe(crc);
  });

  it("is not built without a compiler, which is named", () => {
    const env = { ...process.env, PATH: folder };
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT, "--out", folder], {
      env,
      encoding: "utf8",
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/arm-none-eabi-gcc is not installed/);
  });
});

const PROGRAM = `
#include "targets/rp2040/board.h"

static void print(const char *text) {
  while (*text != 0) board_putc(*text++);
}

static void print_number(uint32_t value) {
  if (value >= 10) print_number(value / 10);
  board_putc((char)('0' + value % 10));
}

static uint32_t initialised = 42;
static uint32_t cleared;

int main(void) {
  board_init();
  print("hello ");
  print_number(initialised + cleared);
  const uint32_t start = board_cycles();
  for (uint32_t i = 0; i < 4000000; i++) __asm__ volatile("nop");
  const uint32_t cycles = board_cycles() - start;
  print(" ");
  print_number(cycles);
  print(".");
  __asm__ volatile("bkpt 7");
}
`;

function buildProgram(linkerScript: string): Uint8Array {
  const [source, elf, bin] = ["main.c", "main.elf", "main.bin"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, PROGRAM);
  const target = join(FIRMWARE, "targets/rp2040");
  const sources = ["startup.c", "memory.c", "board.c", "boot2.S"].map((file) => join(target, file));
  const flags = [
    "-mcpu=cortex-m0plus",
    "-mthumb",
    "-O2",
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
  ];
  const link = ["-nostdlib", "-ffunction-sections", "-Wl,--gc-sections", `-T${join(target, linkerScript)}`];
  execFileSync(GCC, [...flags, `-I${FIRMWARE}`, ...link, source, ...sources, "-lgcc", "-o", elf]);
  execFileSync("arm-none-eabi-objcopy", ["-O", "binary", elf, bin]);
  return new Uint8Array(readFileSync(bin));
}

/** What a program sends up to its breakpoint. */
function serialOutput(chip: RP2040): string {
  let output = "";
  let isDone = false;
  chip.uart[0]!.onByte = (byte) => {
    output += String.fromCharCode(byte);
  };
  chip.onBreak = () => {
    isDone = true;
  };
  const { clock } = chip as unknown as { clock: { tick(nanoseconds: number): void } };
  for (let i = 0; i < 30e6 && !isDone; i++) clock.tick((chip.core.executeInstruction() * 1e9) / chip.clkSys);
  return output;
}

describe.skipIf(!compiler)("a program on the board", () => {
  function check(chip: RP2040): void {
    const [hello, number, cycles] = serialOutput(chip).replace(".", "").split(" ");
    expect(hello).toBe("hello");
    expect(number).toBe("42");
    // Five a turn: nop, subs or adds, cmp or not, branch. More than the 24 bits of the counter hold.
    expect(Number(cycles)).toBeGreaterThan(2 ** 24);
    expect(Number(cycles) / 4e6).toBeGreaterThan(3.999);
    expect(Number(cycles) / 4e6).toBeLessThan(6.001);
    expect(chip.clkSys).toBe(125e6);
    expect(Math.abs(chip.uart[0]!.baudRate / 115200 - 1)).toBeLessThan(0.001);
  }

  it("boots from flash through the second stage", () => {
    const chip = new RP2040();
    const program = buildProgram("flash.ld");
    chip.flash.set(program);
    // As the bootrom does: the first 256 bytes run from the end of RAM.
    const boot2 = 0x20041f00;
    chip.sram.set(program.subarray(0, BOOT2_BYTES), boot2 - 0x20000000);
    chip.core.SP = boot2;
    chip.core.PC = boot2;
    check(chip);
    expect(chip.core.VTOR).toBe(0x10000100);
    expect(chip.core.PC >>> 24).toBe(0x10);
  });

  it("runs from RAM, entered at its first byte", () => {
    const chip = new RP2040();
    chip.sram.set(buildProgram("ram.ld"));
    chip.core.PC = 0x20000000;
    check(chip);
    expect(chip.core.VTOR).toBe(0x20000100);
    expect(chip.core.PC >>> 24).toBe(0x20);
  });
});
