/** What an input costs that ends at an exit. */
import type { Image } from "../plan/image.ts";
import type { OperatorSummary } from "./summary.ts";

/** An early exit, or the end of the network. Null: not known. */
export interface ExitCost {
  /** Of its output. */
  readonly name: string;
  /** Operators that run up to it. */
  readonly operators: number;
  /** Of all of these. */
  readonly macs: number | null;
  /** Predicted for the chip, of all of these. */
  readonly cycles: number | null;
  /** The most bytes of the arena that are in use at a time up to it. */
  readonly liveBytes: number | null;
}

/** For each early exit, in the order in which they are decided, and for the final output. */
export function exitCosts(image: Image, operators: readonly OperatorSummary[]): ExitCost[] {
  const ends = [...image.exits, { output: image.finalOutput, operatorEnd: operators.length }];
  return ends.map(({ output, operatorEnd }) => {
    const run = operators.slice(0, operatorEnd);
    const add = (a: number, b: number) => a + b;
    return {
      name: image.outputs[output]!.name,
      operators: operatorEnd,
      macs: known(run, "macs", add),
      cycles: known(run, "cycles", add),
      liveBytes: known(run, "liveBytes", Math.max),
    };
  });
}

function known(
  operators: readonly OperatorSummary[],
  key: "macs" | "cycles" | "liveBytes",
  join: (a: number, b: number) => number,
): number | null {
  const values = operators.map((op) => op[key]);
  return values.every((value) => value !== null) ? values.reduce((a, b) => join(a, b), 0) : null;
}

/** `0.9`, or `0.5 to 1` where classes differ. */
export function formatThresholds(thresholds: readonly number[]): string {
  const format = (value: number) => `${Number(value.toFixed(4))}`;
  const [least, most] = [Math.min(...thresholds), Math.max(...thresholds)];
  return least === most ? format(least) : `${format(least)} to ${format(most)}`;
}
