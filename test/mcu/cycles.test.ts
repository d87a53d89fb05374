// Cycles of single instructions: those of the timing table in Arm's Cortex-M0+ Technical Reference Manual.
import { describe, expect, it } from "vitest";
import { Chip, FLASH, RAM } from "../../src/mcu/chip.ts";

const STACK = RAM + 0x1000;
const BKPT = "be00";
// movs r7, #0x20; lsls r7, #24; movs r0, #1; movs r1, #2
const SETUP = ["2720", "063f", "2001", "2102"];
const SETUP_CYCLES = 4;

/** Cycles of Thumb instructions, in hex, up to a breakpoint; r7 holds the start of RAM, r0 is 1, r1 is 2. */
function cyclesOf(chip: Chip, memory: number, program: string): number {
  const words = [...SETUP, ...program.split(" "), BKPT].map((word) => Number.parseInt(word, 16));
  const code = new Uint16Array(0x80 + words.length);
  new Uint32Array(code.buffer, 0, 2).set([STACK, memory + 0x100 + 1]);
  code.set(words, 0x80);
  if (memory === FLASH) chip.program(new Uint8Array(code.buffer));
  else chip.ram.set(new Uint8Array(code.buffer));
  chip.start(memory);
  expect(chip.resume(1000)).toBe(0);
  // The breakpoint itself counts one.
  return chip.cycles - 1 - SETUP_CYCLES;
}

const CASES: readonly (readonly [name: string, program: string, cycles: number])[] = [
  ["movs r2, #5", "2205", 1],
  ["mov r8, r0", "4680", 1],
  ["adds r2, r0, r1", "1842", 1],
  ["adds r2, #200", "32c8", 1],
  ["adcs r0, r1", "4148", 1],
  ["add r8, r0", "4480", 1],
  ["add sp, #8; sub sp, #8", "b002 b082", 2],
  ["add r2, sp, #4", "aa01", 1],
  ["adr r2, .", "a200", 1],
  ["subs r2, r0, r1", "1a42", 1],
  ["sbcs r0, r1", "4188", 1],
  ["rsbs r2, r0, #0", "4242", 1],
  ["muls r0, r1", "4348", 1],
  ["cmp r0, r1", "4288", 1],
  ["cmp r0, #3", "2803", 1],
  ["cmn r0, r1", "42c8", 1],
  ["ands, eors, orrs, bics r0, r1", "4008 4048 4308 4388", 4],
  ["mvns r0, r1; tst r0, r1", "43c8 4208", 2],
  ["lsls, lsrs, asrs r2, r0, #3", "00c2 08c2 10c2", 3],
  ["lsls, lsrs, asrs, rors r0, r1", "4088 40c8 4108 41c8", 4],
  ["sxth, sxtb, uxth, uxtb r2, r0", "b202 b242 b282 b2c2", 4],
  ["rev, rev16, revsh r2, r0", "ba02 ba42 bac2", 3],
  ["nop", "bf00", 1],
  ["cpsid i; cpsie i", "b672 b662", 2],
  ["ldr r2, [r7, #4]", "687a", 2],
  ["ldrh r2, [r7, #4]", "88ba", 2],
  ["ldrb r2, [r7, #4]", "793a", 2],
  ["ldr r2, [sp, #4]", "9a01", 2],
  ["ldr r2, [pc, #0]", "4a00", 2],
  ["lsls r1, #1; ldr r2, [r7, r1]", "0049 587a", 3],
  ["ldrh, ldrsh r2, [r7, r1]", "5a7a 5e7a", 4],
  ["ldrb, ldrsb r2, [r7, r1]", "5c7a 567a", 4],
  ["str r2, [r7, #4]", "607a", 2],
  ["strh r2, [r7, #4]", "80ba", 2],
  ["strb r2, [r7, #4]", "713a", 2],
  ["str r2, [sp, #4]", "9201", 2],
  ["strb, strh r2, [r7, r1]", "547a 527a", 4],
  ["single-cycle I/O: r2 = 0xd0000000; ldr r3, [r2]", "22d0 0612 6813", 3],
  ["single-cycle I/O: r2 = 0xd0000000; str r0, [r2, #0x14]", "22d0 0612 6150", 3],
  ["ldm r7!, {r2}", "cf04", 2],
  ["ldm r7!, {r2-r6}", "cf7c", 6],
  ["stm r7!, {r2}", "c704", 2],
  ["stm r7!, {r2-r6}", "c77c", 6],
  ["push {r0}", "b401", 2],
  ["push {r0-r3}", "b40f", 5],
  ["push {lr}", "b500", 2],
  ["push {r0-r3, lr}", "b50f", 6],
  ["push {r0-r3}; pop {r0-r3}", "b40f bc0f", 5 + 5],
  // bl to the function behind, which returns to the branch over it.
  ["bl; push {lr}; pop {pc}; b", "f000 f801 e001 b500 bd00", 3 + 2 + 4 + 2],
  ["bl; push {r4-r7, lr}; pop {r4-r7, pc}; b", "f000 f801 e001 b5f0 bdf0", 3 + 6 + 8 + 2],
  ["bl; bx lr; b", "f000 f801 e000 4770", 3 + 2 + 2],
  ["adr r2; adds r2, #1; blx r2; b; bx lr", "a201 3201 4790 e000 4770", 1 + 1 + 2 + 2 + 2],
  ["adr r2, .; mov pc, r2", "a200 4697", 1 + 2],
  ["adds r0, #1; add pc, r0 (over one instruction)", "3001 4487 bf00 bf00", 1 + 2],
  ["b to the next", "e7ff", 2],
  ["cmp r0, #1; beq, taken", "2801 d0ff", 1 + 2],
  ["cmp r0, #1; bne, not taken", "2801 d1ff", 1 + 1],
  ["cmp r0, #2; blt, taken; bgt, not", "2802 dbff dcff", 1 + 2 + 1],
  ["a loop of three: movs; subs; bne", "2203 3a01 d1fd", 1 + 3 * 1 + 2 * 2 + 1],
  ["mrs r2, msp", "f3ef 8208", 3],
  ["msr apsr, r0", "f380 8800", 3],
  ["dmb; dsb; isb", "f3bf 8f5f f3bf 8f4f f3bf 8f6f", 9],
];

describe.each([
  ["translated", new Chip(), FLASH],
  ["interpreted", new Chip({ interpret: true }), FLASH],
  ["in RAM", new Chip(), RAM],
] as const)("cycles of a Cortex-M0+ without wait states, %s", (_, chip, memory) => {
  it.each(CASES)("%s", (_, program, cycles) => {
    expect(cyclesOf(chip, memory, program)).toBe(cycles);
  });
});
