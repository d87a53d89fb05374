// Assembly for the chip and the C beside it give the same, entry by entry, on the emulated chip.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Chip, FLASH, RAM } from "../../src/mcu/chip.ts";
import { FIRMWARE } from "../../src/mcu/sources.ts";

const ENTRIES = [
  "high_product and requantize",
  "dot_four",
  "gemm_pack",
  "gemm_six",
  "depthwise_pack",
  "depthwise_3x3",
] as const;
const CASES = 400;
const TOOLS = "arm-none-eabi-";
const FLAGS = [
  ..."-mcpu=cortex-m0plus -mthumb -O2 -std=c99 -Wall -Wextra -Werror".split(" "),
  `-I${FIRMWARE}`,
];
/** Support that has assembly, what belongs to it, and the assembly. */
const SOURCES = ["channel", "depthwise", "dot", "gemm", "requantize"];
const ASSEMBLY = readdirSync(join(FIRMWARE, "support")).filter((file) => file.endsWith("_armv6m.S"));
const STACK = RAM + 0x20000;
const SCRIPT = `MEMORY { FLASH (rx) : ORIGIN = ${FLASH}, LENGTH = 64K  RAM (rw) : ORIGIN = ${RAM}, LENGTH = 96K }
SECTIONS {
  .text : { LONG(${STACK}) LONG(main + 1) *(.text .text.* .rodata .rodata.*) } > FLASH
  .bss (NOLOAD) : { *(.bss .bss.* COMMON) } > RAM
  /DISCARD/ : { *(.ARM.exidx* .comment .ARM.attributes) }
}`;

const hasCompiler = spawnSync(`${TOOLS}gcc`, ["--version"]).status === 0;
if (!hasCompiler) console.warn(`SKIPPED: assembly beside C (no ${TOOLS}gcc)`);

/** The report of assembly.c: for each entry its cases, and one more than the first that differs. */
function run(): { cases: number; wrong: number }[] {
  const folder = mkdtempSync(join(tmpdir(), "thumbnet-assembly-"));
  const tool = (name: string, ...args: string[]) =>
    execFileSync(`${TOOLS}${name}`, args, { cwd: folder, encoding: "utf8" });
  try {
    const compile = (source: string, object: string, ...flags: string[]) => {
      tool("gcc", ...FLAGS, ...flags, "-c", source, "-o", object);
      return object;
    };
    const support = (file: string) => join(FIRMWARE, "support", file);
    const objects = [...SOURCES.map((name) => `${name}.c`), ...ASSEMBLY].map((file) =>
      compile(support(file), `${file}.o`),
    );
    // The C under other names, as compilers for other processors see it.
    const plain = SOURCES.map((name) => compile(support(`${name}.c`), `${name}-c.o`, "-U__ARM_ARCH_6M__"));
    tool("ld", "-r", ...plain, "-o", "plain.o");
    const missing = tool("nm", "-u", "plain.o").match(/\w+$/gm) ?? [];
    const renamed = missing.map((name) => `--redefine-sym=c_${name}=${name}`);
    tool("objcopy", "--prefix-symbols=c_", "plain.o", "prefixed.o");
    tool("objcopy", ...renamed, "prefixed.o", "c.o");
    const main = compile(fileURLToPath(new URL("assembly.c", import.meta.url)), "main.o");
    const memory = compile(join(FIRMWARE, "targets/rp2040/memory.c"), "memory.o");
    writeFileSync(join(folder, "link.ld"), SCRIPT);
    const link = [...FLAGS, "-nostdlib", "-Tlink.ld", main, memory, ...objects, "c.o", "-lgcc", "-o", "elf"];
    tool("gcc", ...link);
    tool("objcopy", "-O", "binary", "-j", ".text", "elf", "bin");
    const report = Number.parseInt(/^(\w+) \w report$/m.exec(tool("nm", "elf"))![1]!, 16);

    const chip = new Chip();
    chip.program(readFileSync(join(folder, "bin")));
    chip.ram.fill(0);
    chip.start(FLASH);
    chip.resume(4e9);
    expect(chip.readWord(report), "it did not come to its end").toBe(1);
    return ENTRIES.map((_, e) => {
      const at = report + 4 + 8 * e;
      return { cases: chip.readWord(at), wrong: chip.readWord(at + 4) };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasCompiler)("assembly and the C beside it", () => {
  it("give the same on random inputs", () => {
    const reports = run().map((report, e) => ({ entry: ENTRIES[e], ...report }));
    expect(reports).toEqual(ENTRIES.map((entry) => ({ entry, cases: CASES, wrong: 0 })));
  });
});
