import type { Graph } from "./graph.ts";

/** The tensor that answers where no exit does: the output that is no exit; the first where there are no exits. */
export function finalOutput({ outputs, exits = [] }: Graph): number {
  return outputs.find((tensor) => !exits.some((exit) => exit.tensor === tensor))!;
}

/** By exit: so many operators have run when it is decided, those that its tensor needs and any listed before them. */
export function decisionPoints({ operators, exits = [] }: Graph): number[] {
  return exits.map(({ tensor }) => operators.findIndex(({ outputs }) => outputs.includes(tensor)) + 1);
}
