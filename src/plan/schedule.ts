import type { Graph } from "../graph/graph.ts";
import type { KernelCall } from "./kernel-call.ts";

/** Calls in the order in which they run. */
export interface Schedule {
  /** By operator: the calls that do its work, in order; none for an alias. */
  readonly calls: readonly (readonly KernelCall[])[];
  /** The operator of each call, in the order of the records: its first mention is its first call, and so on. */
  readonly order: readonly number[];
  /** By operator: so many records have run once it is done. */
  readonly ends: readonly number[];
  /** Operators that run in slices of rows. */
  readonly chains: readonly SlicedChain[];
}

/** Consecutive operators that take turns on a few rows at a time, so that what is between them never exists whole. */
export interface SlicedChain {
  /** First and last operator. */
  readonly first: number;
  readonly last: number;
  /** Rows of the last operator's output that one slice makes, and how many slices there are. */
  readonly rows: number;
  readonly slices: number;
  /** The rows that are there at a time of each tensor between two operators. */
  readonly lines: readonly LineBuffer[];
  /** Bytes that are moved so that rows still needed stay at the start of their lines. */
  readonly movedBytes: number;
  /** The calls of all its operators, with the operator of each. */
  readonly steps: readonly { readonly operator: number; readonly call: KernelCall }[];
}

export interface LineBuffer {
  /** The tensors whose rows it holds: one, and those written over it. */
  readonly tensors: readonly number[];
  readonly bytes: number;
}

/** Operators one after the other, but for those of the chains; chains must not share operators. */
export function makeSchedule(
  graph: Graph,
  whole: readonly (readonly KernelCall[])[],
  chains: readonly SlicedChain[] = [],
): Schedule {
  const calls: KernelCall[][] = whole.map((own) => [...own]);
  const order: number[] = [];
  const ends: number[] = [];
  graph.operators.forEach((_, operator) => {
    const chain = chains.find(({ first, last }) => first <= operator && operator <= last);
    if (chain && operator < chain.last) {
      calls[operator] = [];
    } else if (chain) {
      calls[operator] = [];
      for (const step of chain.steps) {
        calls[step.operator]!.push(step.call);
        order.push(step.operator);
      }
    } else {
      for (const _ of whole[operator]!) order.push(operator);
    }
    ends.push(order.length);
  });
  return { calls, order, ends, chains };
}

/** The calls in the order of the records. */
export function callsInOrder({ calls, order }: Pick<Schedule, "calls" | "order">): {
  readonly operator: number;
  readonly call: KernelCall;
}[] {
  const next = calls.map(() => 0);
  return order.map((operator) => ({ operator, call: calls[operator]![next[operator]!++]! }));
}
