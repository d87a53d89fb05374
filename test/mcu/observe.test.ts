// What a run is watched for: misses of the flash cache against a trace of rp2040js, cycles by kind of instruction.
import { RP2040 } from "rp2040js";
import { describe, expect, it } from "vitest";
import { Chip, FLASH, FLASH_BYTES, RAM } from "../../src/mcu/chip.ts";
import { createEmulator } from "../../src/mcu/emulator.ts";
import { FLASH_CACHE, INSTRUCTION_KINDS, type KindCycles, kindOf } from "../../src/mcu/observe.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { Random } from "../support/random.ts";
import { randomGraph } from "../support/random-graph.ts";

const STACK = RAM + 0x1000;
const PROGRAM = 0x100;
const BKPT = 0xbe00;
const PROGRAMS = 60;

/** The flash with a program behind a vector table, and data everywhere else. */
function flashOf(program: readonly number[], seed: number): Uint8Array {
  const random = new Random(seed);
  const words = Uint32Array.from({ length: 0x20000 / 4 }, () => random.uint32());
  words.set([STACK, FLASH + PROGRAM + 1]);
  new Uint16Array(words.buffer).set(program, PROGRAM / 2);
  return new Uint8Array(words.buffer);
}

/** Misses of a cache whose sets are lists of lines, the one used last at the end; and how many lines were read. */
function missesOf(reads: readonly number[]): { misses: number; lines: number } {
  const { bytes, ways, lineBytes } = FLASH_CACHE;
  const sets = Array.from({ length: bytes / ways / lineBytes }, () => [] as number[]);
  let misses = 0;
  for (const address of reads) {
    if (address < FLASH || address >= FLASH + FLASH_BYTES) continue;
    const line = Math.floor(address / lineBytes);
    const set = sets[line % sets.length]!;
    const at = set.indexOf(line);
    if (at < 0) misses++;
    else set.splice(at, 1);
    set.push(line);
    if (set.length > ways) set.shift();
  }
  const lines = new Set(reads.map((address) => Math.floor(address / lineBytes)));
  return { misses, lines: lines.size };
}

/** By rp2040js as it is, from the addresses that it reads. */
function tracedMisses(flash: Uint8Array) {
  const chip = new RP2040();
  const reads: number[] = [];
  for (const name of ["readUint8", "readUint16", "readUint32"] as const) {
    const read = chip[name].bind(chip);
    chip[name] = (address) => {
      reads.push(address >>> 0);
      return read(address);
    };
  }
  chip.flash.set(flash);
  let isDone = false;
  chip.onBreak = () => {
    isDone = true;
  };
  chip.core.SP = STACK;
  chip.core.PC = FLASH + PROGRAM;
  while (!isDone) chip.core.executeInstruction();
  return missesOf(reads);
}

function run(chip: Chip, flash: Uint8Array) {
  chip.program(flash);
  chip.start(FLASH);
  const { cache } = chip.observer!;
  cache.clear();
  const before = chip.observer!.total();
  chip.resume(1e6);
  const after = chip.observer!.total();
  const cycles = INSTRUCTION_KINDS.reduce((sum, kind) => sum + after.kinds[kind] - before.kinds[kind], 0);
  return { misses: after.misses, cycles, all: chip.cycles };
}

/**
 * Loops over loads from flash, at addresses that go on by steps which fall on few sets of the cache, with literals,
 * several words at a time, and calls between; each loop at its own place in the flash.
 */
function randomProgram(random: Random): number[] {
  const program: number[] = [];
  // movs r5, #0x10; lsls r5, #24: the flash
  program.push(0x2510, 0x062d);
  for (let loop = random.integer(1, 5); loop > 0; loop--) {
    const step = random.pick([3, 8, 10, 13]);
    program.push(
      ...[0x2400 | random.integer(1, 200)], // movs r4, #turns
      ...[0x2600 | random.integer(1, 60), 0x0236], // movs r6, #n; lsls r6, #8
      ...[0x1976], // adds r6, r6, r5
    );
    const start = program.length;
    const body = [
      [0x6830], // ldr r0, [r6]
      [0x7871], // ldrb r1, [r6, #1]
      [0x8871], // ldrh r1, [r6, #2]
      [0x4633, 0xcb06], // mov r3, r6; ldmia r3!, {r1, r2}
      [0x4a00 | random.integer(0, 30)], // ldr r2, [pc, #n]
      [0xf000, 0xf800], // bl to the next
      [0xbf00],
      [0xb403, 0xbc03], // push, pop {r0, r1}
      [0xe000, 0xbf00], // b over a nop
    ];
    for (let i = random.integer(1, 10); i > 0; i--) program.push(...random.pick(body));
    // movs r3, #1; lsls r3, #step; adds r6, r6, r3; subs r4, #1; bne
    program.push(0x2301, 0x015b | 0, 0x18f6, 0x3c01);
    program[program.length - 3] = (step << 6) | (3 << 3) | 3;
    program.push(0xd100 | ((start - program.length - 2) & 0xff));
    for (let i = random.integer(0, 300); i > 0; i--) program.push(0xbf00);
  }
  return [...program, BKPT];
}

describe("misses of the flash cache", () => {
  const chips = {
    translated: new Chip({ observe: true }),
    interpreted: new Chip({ interpret: true, observe: true }),
  };

  it("are those of a trace of rp2040js, on random programs", () => {
    let evicted = 0;
    for (let seed = 0; seed < PROGRAMS; seed++) {
      const flash = flashOf(randomProgram(new Random(seed)), seed);
      const expected = tracedMisses(flash);
      if (expected.misses > expected.lines) evicted++;
      for (const [name, chip] of Object.entries(chips)) {
        const { misses, cycles, all } = run(chip, flash);
        expect(misses, `seed ${seed}, ${name}`).toBe(expected.misses);
        expect(cycles, `seed ${seed}, ${name}`).toBe(all);
      }
    }
    expect(evicted).toBeGreaterThan(PROGRAMS / 4);
  });

  it("count an instruction whose line data has pushed out since the one before it", () => {
    // r6 and r7: 0x2100 and 0x4100 in flash; 50 turns of a loop at 0x118 that reads 0x2118 and 0x4118: all in one set.
    const setup = [0x2510, 0x062d, 0x2621, 0x0236, 0x1976, 0x2741, 0x023f, 0x197f, 0x2432];
    const loop = [0x69b0, 0x69b9, 0x3c01, 0xd1fb];
    const flash = flashOf([...setup, 0xbf00, 0xbf00, 0xbf00, ...loop, BKPT], 1);
    const { misses } = tracedMisses(flash);
    expect(misses).toBeGreaterThan(90);
    for (const [name, chip] of Object.entries(chips)) expect(run(chip, flash).misses, name).toBe(misses);
  });

  it("are none where code and data lie in RAM", () => {
    const chip = chips.translated;
    // ldr r0, [pc, #4]; ldr r1, [r0]; muls r1, r0, r1; nop
    const program = [0x4801, 0x6801, 0x4341, BKPT, 0x0000, 0x2000];
    const code = new Uint16Array(0x80 + program.length);
    new Uint32Array(code.buffer, 0, 2).set([STACK, RAM + 0x100 + 1]);
    code.set(program, 0x80);
    chip.ram.set(new Uint8Array(code.buffer));
    chip.start(RAM);
    chip.observer!.cache.clear();
    chip.resume(100);
    expect(chip.observer!.cache.misses).toBe(0);
  });

  it("are fewer than reads, and the same translated or not, on random networks", () => {
    for (let seed = 200; seed < 206; seed++) {
      const { graph, inputs } = randomGraph(seed);
      const image = compileGraph(graph);
      const translated = createEmulator(image, { observe: true }).run(inputs);
      const interpreted = createEmulator(image, { observe: true, interpret: true }).run(inputs);
      expect(translated, `seed ${seed}`).toEqual(interpreted);
      expect(translated.observed!.misses).toBeGreaterThan(0);
      expect(createEmulator(image).run(inputs).cycles).toBe(translated.cycles);
      const inRam = createEmulator(image, { observe: true, imageIn: "ram" }).run(inputs);
      expect(inRam.observed!.misses, `seed ${seed}`).toBeLessThan(translated.observed!.misses);
      // The cache is empty when a run begins.
      const again = createEmulator(image, { observe: true });
      expect(again.run(inputs).observed).toEqual(again.run(inputs).observed);
    }
  });
});

describe("cycles by kind of instruction", () => {
  it("add up to those of every operator", () => {
    for (let seed = 300; seed < 306; seed++) {
      const { graph, inputs } = randomGraph(seed);
      const { operators } = createEmulator(compileGraph(graph), { observe: true }).run(inputs);
      const sum = (kinds: KindCycles) => INSTRUCTION_KINDS.reduce((total, kind) => total + kinds[kind], 0);
      expect(operators.map(({ observed }) => sum(observed!.kinds))).toEqual(operators.map((op) => op.cycles));
    }
  });

  it.each([
    ["muls r0, r1", 0x4348, "multiply"],
    ["ldr r2, [pc, #0]", 0x4a00, "load"],
    ["str r0, [r1, r2]", 0x5088, "store"],
    ["strh r0, [r1, r2]", 0x5288, "store"],
    ["strb r0, [r1, r2]", 0x5488, "store"],
    ["ldrsb r0, [r1, r2]", 0x5688, "load"],
    ["ldr r0, [r1, r2]", 0x5888, "load"],
    ["ldrsh r0, [r1, r2]", 0x5e88, "load"],
    ["str r2, [r7, #4]", 0x607a, "store"],
    ["ldr r2, [r7, #4]", 0x687a, "load"],
    ["strb r2, [r7, #4]", 0x713a, "store"],
    ["ldrb r2, [r7, #4]", 0x793a, "load"],
    ["strh r2, [r7, #4]", 0x80ba, "store"],
    ["ldrh r2, [r7, #4]", 0x88ba, "load"],
    ["str r2, [sp, #4]", 0x9201, "store"],
    ["ldr r2, [sp, #4]", 0x9a01, "load"],
    ["adr r2", 0xa200, "other"],
    ["add sp, #8", 0xb002, "other"],
    ["sxtb r2, r0", 0xb242, "other"],
    ["push {r0-r3, lr}", 0xb50f, "store"],
    ["pop {r4-r7, pc}", 0xbdf0, "load"],
    ["nop", 0xbf00, "other"],
    ["bkpt", 0xbe00, "other"],
    ["stm r7!, {r2}", 0xc704, "store"],
    ["ldm r7!, {r2}", 0xcf04, "load"],
    ["beq", 0xd0ff, "branch"],
    ["udf", 0xde00, "other"],
    ["b", 0xe7ff, "branch"],
    ["bl", 0xf000, "branch"],
    ["mrs r2, msp", 0xf3ef, "other"],
    ["msr apsr, r0", 0xf380, "other"],
    ["dmb", 0xf3bf, "other"],
    ["bx lr", 0x4770, "branch"],
    ["blx r2", 0x4790, "branch"],
    ["mov pc, r2", 0x4697, "branch"],
    ["add pc, r0", 0x4487, "branch"],
    ["mov r8, r0", 0x4680, "other"],
    ["adds r2, r0, r1", 0x1842, "other"],
    ["mvns r0, r1", 0x43c8, "other"],
  ] as const)("%s", (_, opcode, kind) => {
    expect(kindOf(opcode)).toBe(kind);
  });
});
