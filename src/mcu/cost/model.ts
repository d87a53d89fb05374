/**
 * Predicts cycles of an image on the Cortex-M0+ without running it: a sum over its records of counts times coefficients.
 * The coefficients come from `scripts/fit-cost-model.mjs`, which emulates many operators and fits them.
 */
import { disassemble } from "../../plan/disassemble.ts";
import { HEADER, type KernelName, structLayout } from "../../plan/layout.ts";
import { readStruct } from "../../plan/struct.ts";
import { AROUND, COEFFICIENTS } from "./coefficients.ts";
import type { Features } from "./counts.ts";
import { recordFeatures } from "./features.ts";

/** What is predicted for one operator of the model. */
export interface PredictedOperator {
  /** Position in the model file. */
  readonly index: number;
  readonly cycles: number;
}

export interface Prediction {
  readonly operators: readonly PredictedOperator[];
  readonly cycles: number;
}

/** By kernel and count: cycles of one. */
export type Coefficients = Readonly<Record<KernelName, Readonly<Record<string, number>>>>;

function cyclesOf(kernel: KernelName, features: Features): number {
  const coefficients: Readonly<Record<string, number>> = (COEFFICIENTS as Coefficients)[kernel];
  let cycles = 0;
  for (const [name, count] of Object.entries(features)) {
    const cost = coefficients[name];
    if (cost === undefined) throw new Error(`no cycles are known for ${kernel}: ${name}`);
    cycles += count * cost;
  }
  return cycles;
}

/**
 * Cycles of one run on a Cortex-M0+, without wait states.
 *
 * @param image one that `readImage` accepts
 */
export function predictCycles(image: Uint8Array): Prediction {
  const records = disassemble(image);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { operatorCount } = readStruct<typeof HEADER>(view, 0, structLayout(HEADER));
  const cycles = new Float64Array(operatorCount);
  for (const record of records)
    cycles[record.operator]! += cyclesOf(record.kernel, recordFeatures(record, image));
  const operators = Array.from(cycles, (value, index) => ({ index, cycles: Math.round(value) }));
  const around = AROUND.run + AROUND.operator * operatorCount;
  return { operators, cycles: operators.reduce((sum, op) => sum + op.cycles, Math.round(around)) };
}
