/** Other exits, or thresholds, for a graph. */
import { finalOutput } from "../exits.ts";
import type { Exit, Graph, Operator } from "../graph.ts";

/** The operators that a tensor needs, by index. */
export function operatorsFor(graph: Graph, tensor: number): Set<number> {
  const writer = new Map(graph.operators.flatMap(({ outputs }, i) => outputs.map((t) => [t, i] as const)));
  const needed = new Set<number>();
  const open = [tensor];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const operator = writer.get(next);
    if (operator === undefined || needed.has(operator)) continue;
    needed.add(operator);
    open.push(...graph.operators[operator]!.inputs);
  }
  return needed;
}

/**
 * The graph with these exits in place of its own. Outputs that are an exit no longer go, with all that only they need.
 *
 * @param exits their tensors are outputs of the graph
 */
export function withExits(graph: Graph, exits: readonly Exit[]): Graph {
  const wanted = new Set([finalOutput(graph), ...exits.map(({ tensor }) => tensor)]);
  const outputs = graph.outputs.filter((tensor) => wanted.has(tensor));
  const needed = new Set(outputs.flatMap((tensor) => [...operatorsFor(graph, tensor)]));
  const operators = graph.operators.filter((_, i) => needed.has(i));
  const used = new Set([
    ...graph.inputs,
    ...outputs,
    ...operators.flatMap((op) => [...op.inputs, ...op.outputs]),
  ]);
  const kept = [...graph.tensors.keys()].filter((tensor) => used.has(tensor));
  const index = new Map(kept.map((tensor, i) => [tensor, i]));
  const map = (tensors: readonly number[]) => tensors.map((tensor) => index.get(tensor) ?? -1);
  const moved = (op: Operator) => ({ ...op, inputs: map(op.inputs), outputs: map(op.outputs) }) as Operator;
  return {
    name: graph.name,
    tensors: kept.map((tensor) => graph.tensors[tensor]!),
    operators: operators.map(moved),
    inputs: map(graph.inputs),
    outputs: map(outputs),
    ...(exits.length > 0 && {
      exits: exits.map((exit) => ({ ...exit, tensor: index.get(exit.tensor)! })),
    }),
  };
}
