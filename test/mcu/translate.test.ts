// The translation of the program to JavaScript does what rp2040js does: registers, flags, memory and cycles.
import { describe, expect, it } from "vitest";
import { Chip, FLASH, RAM } from "../../src/mcu/chip.ts";
import { createEmulator } from "../../src/mcu/emulator.ts";
import { compileGraph } from "../../src/plan/compile.ts";
import { SOAK } from "../support/implementations.ts";
import { Random } from "../support/random.ts";
import { randomGraph } from "../support/random-graph.ts";

const PROGRAM = FLASH + 0x100;
const STACK = RAM + 0x1000;
const BKPT = 0xbe00;
const NOP = 0xbf00;
const LDR_LITERAL = 0b01001;
/** mrs r6, apsr: what the flags are at the end. */
const READ_FLAGS = [0xf3ef, 0x8600];
const GRAPHS = 15;
const PROGRAMS = SOAK ? 5000 : 1000;

/** The program behind a vector table at the start of the flash. */
function load(chip: Chip, program: readonly number[]): void {
  const code = new Uint16Array(0x80 + program.length);
  new Uint32Array(code.buffer, 0, 2).set([STACK, PROGRAM + 1]);
  code.set(program, 0x80);
  chip.program(new Uint8Array(code.buffer));
}

/** Runs a program from random RAM. */
function finalState(chip: Chip, program: readonly number[], seed: number) {
  load(chip, program);
  const random = new Random(seed);
  const words = new Uint32Array(chip.ram.buffer, 0, 0x1000 / 4);
  // Many zeros, ones and limits among the words: what flags depend on.
  const edges = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];
  for (let i = 0; i < words.length; i++) words[i] = random.chance(0.4) ? random.pick(edges) : random.uint32();
  chip.start(FLASH);
  const stop = chip.resume(1e6);
  return { stop, cycles: chip.cycles, registers: [...chip.registers], ram: chip.ram.slice(0, 0x2000) };
}

/** Sets r7 to the start of RAM and loads r0 to r6 from there. */
const PROLOGUE = [0x2720, 0x063f, 0xcf7f, 0x2720, 0x063f];

/**
 * Instructions that touch r0 to r5, the stack near its top and RAM behind r7. Left out is what rp2040js does
 * otherwise than the manual: shifts by registers of 0 or more than 31, and V after ADCS and SBCS.
 */
function randomInstructions(random: Random): number[] {
  const low = () => random.integer(0, 5);
  const [d, n, m, imm5, imm8] = [low(), low(), low(), random.integer(0, 31), random.integer(0, 255)];
  const list = random.integer(1, 0x3f);
  const any = random.integer(1, 12);
  const conditional = (conditions: readonly number[]) => 0xd000 | (random.pick(conditions) << 8);
  const noV = [0, 1, 2, 3, 4, 5, 8, 9];
  return random.pick<() => number[]>([
    () => [(random.integer(0, 2) << 11) | (imm5 << 6) | (n << 3) | d],
    () => [0x1800 | (random.integer(0, 1) << 9) | (m << 6) | (n << 3) | d],
    () => [0x1c00 | (random.integer(0, 1) << 9) | (random.integer(0, 7) << 6) | (n << 3) | d],
    () => [0x2000 | (random.integer(0, 3) << 11) | (d << 8) | imm8],
    () => [0x4000 | (random.pick([0, 1, 8, 9, 10, 11, 12, 13, 14, 15]) << 6) | (m << 3) | d],
    () => [
      0x2000 | (5 << 8) | random.integer(1, 31),
      0x4000 | (random.pick([2, 3, 4, 7]) << 6) | (5 << 3) | (low() % 5),
    ],
    // The flags that can be trusted of ADCS and SBCS are seen by a branch, then all are set anew.
    () => [
      0x4000 | (random.pick([5, 6]) << 6) | (m << 3) | d,
      conditional(noV),
      0x1c00 | (n << 3) | n,
      0x4280,
    ],
    () => [0x4400 | ((any & 8) << 4) | (m << 3) | (any & 7 ? (any & 7) % 6 : 0)],
    () => [0x4500 | 0x40 | (any & 8 ? 0x80 : 0) | (m << 3) | (any & 3)],
    () => [0x4600 | (random.chance(0.5) ? 0x80 | (m << 3) | (any & 3) : 0x40 | ((any & 3) << 3) | d)],
    () => [0xb200 | (random.integer(0, 3) << 6) | (n << 3) | d],
    () => [0xba00 | (random.pick([0, 1, 3]) << 6) | (n << 3) | d],
    () =>
      [0x6000 | (random.integer(0, 5) << 11) | (imm5 << 6) | (7 << 3) | d].map((op) =>
        op >= 0x9000 ? 0xbf00 : op,
      ),
    () => [0x2000 | (d << 8) | (imm8 & ~3), 0x5000 | (random.integer(0, 7) << 9) | (d << 6) | (7 << 3) | n],
    () => [0x9000 | (random.integer(0, 1) << 11) | (d << 8) | (imm8 & 31)],
    () => [0xa000 | (random.integer(0, 1) << 11) | (d << 8) | imm8],
    () => [0xb400 | list, 0xbc00 | list],
    () => [0xb080, 0xb000 | random.integer(0, 3), 0xb083],
    () => [0x463e, (random.chance(0.5) ? 0xce00 : 0xc600) | list],
    () => [
      conditional([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]) | random.integer(0, 1),
      0x1c00 | (n << 3) | d,
      0xbf00,
    ],
    // A loop of 1 to 8 turns; a branch over an instruction; a call of the next but one, with return.
    () => [0x2500 | random.integer(1, 8), 0x1800 | (n << 6) | (m << 3) | (low() % 5), 0x3d01, 0xd1fc],
    () => [0xe000, 0x2000 | (d << 8) | imm8],
    () => [0xf000, 0xf802, 0xe002, 0xbf00, 0xb510, 0xbd10].map((op, i) => (i === 3 ? 0xbf00 : op)),
    () => [0x4c00, 0xe001, random.integer(0, 0xffff), random.integer(0, 0xffff)],
  ])();
}

describe("the translated program", () => {
  const [translating, interpreting] = [new Chip(), new Chip({ interpret: true })];

  it("gives what rp2040js gives, on random instructions", () => {
    const opcodes = new Set<number>();
    for (let seed = 0; seed < PROGRAMS; seed++) {
      const random = new Random(seed);
      const body: number[] = [];
      for (let i = 0; i < 12; i++) {
        const instructions = randomInstructions(random);
        // Words in the program are aligned.
        const isOdd = (PROLOGUE.length + body.length) % 2 === 1;
        if (instructions[0]! >> 11 === LDR_LITERAL && isOdd) body.push(NOP);
        body.push(...instructions);
        for (const instruction of instructions) opcodes.add(instruction >> 8);
      }
      const program = [...PROLOGUE, ...body, ...READ_FLAGS, BKPT];
      const listing = program.map((op) => op.toString(16).padStart(4, "0")).join(" ");
      const translated = finalState(translating, program, seed);
      const interpreted = finalState(interpreting, program, seed);
      expect(translated.registers, `seed ${seed}: ${listing}`).toEqual(interpreted.registers);
      expect(translated.cycles, `seed ${seed}: ${listing}`).toBe(interpreted.cycles);
      expect(Buffer.compare(translated.ram, interpreted.ram), `seed ${seed}: ${listing}`).toBe(0);
    }
    expect(opcodes.size).toBeGreaterThan(150);
  });

  it("gives what rp2040js gives, on random networks", () => {
    for (let seed = 100; seed < 100 + GRAPHS; seed++) {
      const { graph, inputs } = randomGraph(seed);
      const image = compileGraph(graph);
      const expected = createEmulator(image, { interpret: true }).run(inputs, { arena: true });
      expect(createEmulator(image).run(inputs, { arena: true }), `seed ${seed}`).toEqual(expected);
    }
  });

  // r0 and r1 before, the instruction, then r0 and NZCV as the Architecture Reference Manual has them.
  it.each([
    ["lsrs r0, r1 by 0 leaves C", 0x40c8, 5, 0, 5, 0b0010],
    ["lsls r0, r1 by 32", 0x4088, 3, 32, 0, 0b0110],
    ["lsls r0, r1 by 33", 0x4088, 3, 33, 0, 0b0100],
    ["lsrs r0, r1 by 32", 0x40c8, 0x80000000, 32, 0, 0b0110],
    ["lsrs r0, r1 by 255", 0x40c8, 0x80000000, 255, 0, 0b0100],
    ["asrs r0, r1 by 0 leaves C", 0x4108, 0x80000000, 256, 0x80000000, 0b1010],
    ["asrs r0, r1 by 40", 0x4108, 0x80000000, 40, 0xffffffff, 0b1010],
    ["rors r0, r1 by 32", 0x41c8, 0x80000001, 32, 0x80000001, 0b1010],
    ["rors r0, r1 by 0 leaves C", 0x41c8, 1, 0, 1, 0b0010],
    ["adcs overflows by its carry", 0x4148, 0, 0x7fffffff, 0x80000000, 0b1001],
    ["adcs of -1 and 0", 0x4148, 0xffffffff, 0, 0, 0b0110],
    ["sbcs without borrow", 0x4188, 0x80000000, 1, 0x7fffffff, 0b0011],
  ])("%s, which rp2040js may have wrong", (_, opcode, r0, r1, result, flags) => {
    // ldm r7!, {r0, r1}; movs r2, #1; cmp r2, #0 (sets C); the instruction
    const program = [0x2720, 0x063f, 0xcf03, 0x2201, 0x2a00, opcode, ...READ_FLAGS, BKPT];
    load(translating, program);
    new Uint32Array(translating.ram.buffer, 0, 2).set([r0, r1]);
    translating.start(FLASH);
    translating.resume(100);
    expect([translating.registers[0], translating.registers[6]! >>> 28]).toEqual([result, flags]);
  });

  it.each([
    ["a word that is not aligned", [0x2720, 0x063f, 0x1c7f, 0x6838], "a word is read at 0x20000001"],
    [
      "a halfword that is not aligned",
      [0x2720, 0x063f, 0x1c7f, 0x8038],
      "two bytes are written at 0x20000001",
    ],
    ["a null pointer", [0x2000, 0x7800], "a byte is read at 0x00000000"],
    ["a store to flash", [0x2010, 0x0600, 0x6000], "a word is written at 0x10000000"],
    ["a push below the RAM", [0x2020, 0x0600, 0x4685, 0xb401], "a word is written at 0x1ffffffc"],
    ["a jump to nowhere", [0x2001, 0x0780, 0x4700], "the program jumps to where no memory is"],
    ["a loop without end", [0xe7fe], "no end after 1000 cycles"],
  ])("fails as rp2040js does, and in the same place: %s", (_, program, message) => {
    const fault = (chip: Chip) => {
      load(chip, [...program, BKPT]);
      chip.start(FLASH);
      try {
        return `stopped at ${chip.resume(1000)}`;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(fault(translating)).toContain(message);
    expect(fault(translating)).toBe(fault(interpreting));
  });

  it("follows a program that has changed", () => {
    for (const value of [1, 2]) {
      load(translating, [0x2000 | value, BKPT]);
      translating.start(FLASH);
      translating.resume(100);
      expect(translating.registers[0]).toBe(value);
    }
  });
});
