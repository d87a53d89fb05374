/** What `thumbnet eval` tells of a model with early exits. */
import { basename } from "node:path";
import { readWhole } from "../data/files.ts";
import { ENERGY_ASSUMPTION, microjoules } from "../mcu/energy.ts";
import { readImage } from "../plan/image.ts";
import { type ExitCost, exitCosts } from "../report/exits.ts";
import { summarize } from "../report/summary.ts";
import { formatCount, formatOptional, formatPercent, formatTable } from "../report/table.ts";
import type { Model } from "../runtime/model.ts";
import type { PlanOptions } from "./common.ts";

/** Of the inputs that ended at one exit, or at the end. */
interface Ended extends ExitCost {
  readonly inputs: number;
  readonly correct: number;
}

type Cost = "macs" | "cycles";

/** Counts where inputs end, and what that costs. */
export class ExitRates {
  readonly #costs: readonly ExitCost[];
  readonly #inputs: number[];
  readonly #correct: number[];

  constructor(costs: readonly ExitCost[]) {
    this.#costs = costs;
    this.#inputs = costs.map(() => 0);
    this.#correct = costs.map(() => 0);
  }

  add(exit: number, isCorrect: boolean): void {
    this.#inputs[exit]! += 1;
    this.#correct[exit]! += Number(isCorrect);
  }

  get ends(): Ended[] {
    return this.#costs.map((cost, i) => ({ ...cost, inputs: this.#inputs[i]!, correct: this.#correct[i]! }));
  }

  get count(): number {
    return this.#inputs.reduce((sum, inputs) => sum + inputs, 0);
  }

  /** For each input on average; null where it is not known. */
  mean(cost: Cost): number | null {
    return this.ends.reduce<number | null>((sum, end) => {
      const value = end[cost];
      return sum === null || value === null ? null : sum + (value * end.inputs) / this.count;
    }, 0);
  }

  /** Of an input that no exit answers. */
  worst(cost: Cost): number | null {
    return this.#costs.at(-1)![cost];
  }
}

/** @returns null for a model without exits */
export async function openExitRates(
  path: string,
  model: Model,
  { optimize }: PlanOptions,
): Promise<ExitRates | null> {
  if (model.exits.length === 0) return null;
  const { image, operators } = summarize(await readWhole(path), basename(path), optimize);
  return new ExitRates(exitCosts(readImage(image!), operators));
}

export function formatExitRates(rates: ExitRates): string {
  const columns = [
    { title: "ended at" },
    ...["inputs", "share", "accuracy", "MACs", "chip cycles"].map((title) => ({
      title,
      align: "right" as const,
    })),
  ];
  const ends = rates.ends;
  const rows = ends.map(({ name, inputs, correct, macs, cycles }, i) => [
    i < ends.length - 1 ? `exit ${i} "${name}"` : "the end",
    formatCount(inputs),
    formatPercent(inputs / rates.count),
    formatPercent(correct / inputs),
    formatOptional(macs),
    formatOptional(cycles),
  ]);
  const line = (what: string, unit: string, mean: number | null, worst: number | null) =>
    mean === null || worst === null
      ? []
      : [
          `${what} ${formatCount(mean)} ${unit} on average (${formatPercent(mean / worst)} of the end's), ${formatCount(worst)} at worst`,
        ];
  const [cycles, most] = [rates.mean("cycles"), rates.worst("cycles")];
  return [
    formatTable(columns, rows),
    "",
    ...line("MACs   ", "an input", rates.mean("macs"), rates.worst("macs")),
    ...line("cycles ", "an input, predicted for the chip,", cycles, most),
    ...line("energy ", "µJ an input", microjoules(cycles), microjoules(most)),
    `energy is a proxy: predicted cycles at ${ENERGY_ASSUMPTION}`,
  ].join("\n");
}

export function jsonExitRates(rates: ExitRates) {
  const figures = (of: (cost: Cost) => number | null) => {
    const cycles = of("cycles");
    return { macs: of("macs"), cycles, microjoules: microjoules(cycles) };
  };
  return {
    ends: rates.ends.map(({ name, inputs, correct, operators, macs, cycles }, i, all) => ({
      exit: i < all.length - 1 ? i : null,
      ...{ name, inputs, rate: inputs / rates.count, correct, operators, macs, cycles },
      accuracy: inputs === 0 ? null : correct / inputs,
    })),
    mean: figures((cost) => rates.mean(cost)),
    worst: figures((cost) => rates.worst(cost)),
    energy_assumption: ENERGY_ASSUMPTION,
  };
}
