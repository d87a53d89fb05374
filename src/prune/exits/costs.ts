/** What an input costs that stops at an exit. */
import type { TrainingSet } from "../../data/training-set.ts";
import { ThumbnetError } from "../../errors.ts";
import { operatorCost } from "../../graph/cost.ts";
import { finalOutput } from "../../graph/exits.ts";
import type { Graph } from "../../graph/graph.ts";
import { operatorsFor } from "../../graph/rewrites/exits.ts";
import { createEmulator } from "../../mcu/emulator.ts";
import { microjoules } from "../../mcu/energy.ts";
import { checkGraphFits } from "../../quantize/from-set.ts";
import { optionalSpread } from "../../report/spread.ts";
import type { StopCosts } from "./thresholds.ts";

export const EXIT_COSTS = ["macs", "cycles"] as const;
export type ExitCostName = (typeof EXIT_COSTS)[number];

/** By operator of the graph. */
export interface OperatorCosts {
  readonly macs: readonly number[];
  /** Null where the model does not fit the chip. */
  readonly cycles: readonly number[] | null;
}

/** Of one inference, or a mean. Cycles, and the energy that they stand for, are null where the model does not fit the chip. */
export type Costs = Readonly<Record<ExitCostName | "microjoules", number | null>>;

export const withEnergy = (macs: number, cycles: number | null): Costs => ({
  macs,
  cycles,
  microjoules: microjoules(cycles),
});

export function meanCosts(all: readonly Costs[]): Costs {
  const mean = (of: keyof Costs) => optionalSpread(all.map((costs) => costs[of]))?.mean ?? null;
  return { macs: mean("macs"), cycles: mean("cycles"), microjoules: mean("microjoules") };
}

/** @throws ThumbnetError when a data set does not fit a classifier's inputs and final output, or has nothing to tune on */
export function checkFit(graph: Graph, data: TrainingSet): void {
  checkGraphFits(graph, data);
  if (data.validation.count === 0) throw new ThumbnetError(`${data.name}: has no validation examples`);
}

/**
 * MACs, and cycles on the emulated chip, of each operator; no cycles where the model does not fit the chip.
 *
 * @param tflite the graph as a file, whose exits answer nothing
 * @returns also why there are no cycles
 */
export function operatorCosts(
  graph: Graph,
  tflite: Uint8Array,
  input: Float32Array,
): { costs: OperatorCosts; problem: string | null } {
  const macs = graph.operators.map((op) => operatorCost(graph, op).macs);
  try {
    const { operators } = createEmulator(tflite, { name: graph.name }).run([input]);
    const cycles = graph.operators.map(
      (_, index) => operators.find((operator) => operator.index === index)?.cycles ?? 0,
    );
    return { costs: { macs, cycles }, problem: null };
  } catch (error) {
    if (!(error instanceof ThumbnetError)) throw error;
    return { costs: { macs, cycles: null }, problem: error.message };
  }
}

/**
 * The cost of inputs that stop at each of some exits, and at the end: all that these outputs need.
 *
 * @param used positions among the graph's exits
 */
export function stopCosts(graph: Graph, used: readonly number[], operators: readonly number[]): StopCosts {
  const tensors = [...used.map((exit) => graph.exits![exit]!.tensor), finalOutput(graph)];
  const needed = new Set<number>();
  return tensors.map((tensor) => {
    for (const operator of operatorsFor(graph, tensor)) needed.add(operator);
    return [...needed].reduce((sum, operator) => sum + operators[operator]!, 0);
  });
}
