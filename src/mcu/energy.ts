/**
 * Energy of a run on the chip as a proxy: cycles times the energy of one. A running RP2040 is taken to draw 25 mA at
 * 3.3 V and 125 MHz, 0.66 nJ a cycle: an assumption for comparing models with each other, not a measurement of a board.
 */
const JOULES_PER_CYCLE = (0.025 * 3.3) / 125e6;

export const ENERGY_ASSUMPTION = "0.66 nJ a cycle (25 mA at 3.3 V and 125 MHz; assumed, not measured)";

/** Of an input that takes so many cycles; null where they are not known. */
export const microjoules = (cycles: number | null): number | null =>
  cycles === null ? null : cycles * JOULES_PER_CYCLE * 1e6;
