/**
 * Cycles of the Cortex-M0+ where rp2040js counts others than the instruction timing table of Arm's Technical
 * Reference Manual (DDI 0484, table 3-1). Checked for every kind of instruction in `test/mcu/cycles.test.ts`;
 * right are 1 for arithmetic, multiplication included, 2 for a load or store (1 in the single-cycle I/O region), 1 + N for
 * LDM, STM, PUSH and POP of N registers, 1 for a branch that is not taken and 2 for one that is, 2 for BX, BLX
 * and what writes the program counter, 3 for BL, MRS, MSR and the barriers.
 */

/** PUSH {..., LR}: 1 + N, and LR is one of the N. The emulator does not count it. */
const PUSH_WITH_LR = 0xb500;
/** POP {..., PC}: 3 + N, and PC is one of the N. The emulator does not count it. */
const POP_WITH_PC = 0xbd00;

/** Cycles that the emulator misses on an instruction, by its first 16 bits. */
export const MISSED_CYCLES: Uint8Array = Uint8Array.from({ length: 0x10000 }, (_, opcode) => {
  const kind = opcode & 0xff00;
  return kind === PUSH_WITH_LR || kind === POP_WITH_PC ? 1 : 0;
});

/** What the cycle counts leave out, for people who read them. */
export const NOT_MODELLED =
  "Cycles are those of Arm's timing table for the Cortex-M0+ without wait states; misses of the cache between chip and\n" +
  "flash are estimated apart, where asked for. Not modelled: the other core or DMA on the bus, and interrupts. A\n" +
  "Cortex-M0 (without +) takes one more for each branch taken: 3 to 5 %.";
