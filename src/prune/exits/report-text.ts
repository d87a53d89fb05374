/** Words and tables of the report of tuned exits, for the terminal and the page. */
import { formatThresholds } from "../../report/exits.ts";
import { formatSpread, type Spread } from "../../report/spread.ts";
import { type Column, formatCount, formatOptional, formatPercent } from "../../report/table.ts";
import type { Costs, ExitCostName } from "./costs.ts";
import type { CostSpreads, ExitReport } from "./report.ts";
import type { TuneReport } from "./tune.ts";

export const COST_NAMES: Readonly<Record<keyof Costs, string>> = {
  macs: "MACs",
  cycles: "cycles",
  microjoules: "µJ",
};

export const percent = (share: number) => formatPercent(share, 2);

/** `0.30 points lost` */
const describeLoss = (loss: number): string =>
  `${(100 * Math.abs(loss)).toFixed(2)} points ${loss < 0 ? "gained" : "lost"}`;

const points = (value: Spread) => formatSpread(value, (share) => (100 * share).toFixed(2));
const counts = (value: Spread | null) => (value === null ? "-" : formatSpread(value, formatCount));

/** A table with its first column to the left. */
export interface TextTable {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  /** The row that says most. */
  readonly strong: number;
}

const columnsOf = (titles: readonly string[]): Column[] =>
  titles.map((title, i) => (i === 0 ? { title } : { title, align: "right" }));

const share = (value: number | null, of: number | null) =>
  value === null || of === null ? "" : percent(value / of);

function costCells(costs: Costs, whole: Costs): string[] {
  return [
    formatOptional(costs.macs),
    share(costs.macs, whole.macs),
    formatOptional(costs.cycles),
    share(costs.cycles, whole.cycles),
    formatOptional(costs.microjoules),
  ];
}

const COST_TITLES = ["MACs", "of the whole", "cycles", "of the whole", "µJ"];

/** Where the inputs of one run stop. */
export function stopTable({ stops, whole, mean, accuracy, heldOut }: TuneReport): TextTable {
  const row = (name: string, costs: Costs, correct: number, ...rest: readonly string[]) => [
    name,
    ...costCells(costs, whole.costs),
    percent(correct),
    ...rest,
  ];
  return {
    columns: columnsOf(["stops at", ...COST_TITLES, "accuracy", "share", "threshold"]),
    rows: [
      ...stops.map(({ name, costs, accuracy: own, rate, thresholds }, i) =>
        i < stops.length - 1
          ? row(name, costs, own, percent(rate), formatThresholds(thresholds))
          : row(`the end (${name})`, costs, own, percent(rate)),
      ),
      row("mean, as tuned", mean, accuracy),
      ...(heldOut ? [row("mean, held out", heldOut.mean, whole.accuracy - heldOut.loss)] : []),
      row("without exits", whole.costs, whole.accuracy),
    ],
    strong: stops.length,
  };
}

/** All runs, and their mean and standard deviation. */
export function runTable({ runs, overall }: ExitReport): TextTable {
  const ofWhole = (key: ExitCostName) =>
    share(overall.mean[key]?.mean ?? null, overall.whole[key]?.mean ?? null);
  return {
    columns: columnsOf(["run", "accuracy %", "loss", "held out", ...COST_TITLES, "stop at"]),
    rows: [
      ...runs.map(({ model, accuracy, loss, heldOut, mean, whole, stops }) => [
        model,
        (100 * accuracy).toFixed(2),
        (100 * loss).toFixed(2),
        heldOut ? (100 * heldOut.loss).toFixed(2) : "-",
        ...costCells(mean, whole.costs),
        stops.map(({ rate }) => `${(100 * rate).toFixed(0)} %`).join(", "),
      ]),
      [
        "mean ± standard deviation",
        points(overall.accuracy),
        points(overall.loss),
        overall.heldOut ? points(overall.heldOut.loss) : "-",
        counts(overall.mean.macs),
        ofWhole("macs"),
        counts(overall.mean.cycles),
        ofWhole("cycles"),
        counts(overall.mean.microjoules),
        "",
      ],
    ],
    strong: runs.length,
  };
}

/** Mean and worst of each cost, in words. */
export function costLines({ overall: { mean, worst, whole } }: ExitReport): string[] {
  const of = (key: keyof Costs, all: CostSpreads) => {
    const reference = whole[key]!.mean;
    return `${formatCount(all[key]!.mean)} (${percent(all[key]!.mean / reference)})`;
  };
  return (["macs", "cycles", "microjoules"] as const)
    .filter((key) => mean[key] !== null)
    .map((key) => {
      const reference = `${formatCount(whole[key]!.mean)} without exits`;
      const verdict = mean[key]!.mean < whole[key]!.mean ? "" : ", these exits save nothing";
      return `${COST_NAMES[key]}: ${of(key, mean)} on average, ${of(key, worst)} at worst; ${reference}${verdict}`;
    });
}

/** What was lost, and for how much. */
export function lossLine({ overall: { loss, mean, whole, heldOut } }: ExitReport): string {
  const spreadOf = (value: Spread) =>
    value.values.length > 1
      ? `${describeLoss(value.mean)} (± ${(100 * value.deviation).toFixed(2)})`
      : describeLoss(value.mean);
  const at = (costs: CostSpreads) => percent(costs.macs!.mean / whole.macs!.mean);
  const other = heldOut ? `; held out ${spreadOf(heldOut.loss)} at ${at(heldOut.mean)}` : "";
  return `${spreadOf(loss)} at ${at(mean)} of the MACs${other}`;
}

/** How exits stand beside static networks, by each cost. */
export function standingLines({ standings, overall }: ExitReport): string[] {
  return standings.map(({ cost, rival, from, to }) => {
    const name = COST_NAMES[cost];
    const whole = overall.whole[cost]!.mean;
    const at = (value: number) => `${formatCount(value)} ${name} (${percent(value / whole)})`;
    const end = to === null ? "" : `, up to ${to.name} at ${at(to.costs[cost]!)}`;
    const front =
      from === null
        ? "nowhere at or above the Pareto front of static networks"
        : `at or above the Pareto front of static networks from a mean of ${at(from)} on${end}`;
    const gain = rival === null ? 0 : overall.accuracy.mean - rival.accuracy.mean;
    const beside =
      rival === null
        ? "no static network is as cheap"
        : `${(100 * Math.abs(gain)).toFixed(2)} points ${gain < 0 ? "below" : "above"} ${rival.name}, the best at no higher cost`;
    return `by ${name}: ${front}; as tuned ${beside}`;
  });
}
