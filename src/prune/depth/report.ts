/** The report of depth pruning as plain data: all results of a folder, runs that differ by seed only put together. */
import { optionalSpread, type Spread, spread } from "../../report/spread.ts";
import type { Figures, MeasuredPart } from "../measure.ts";
import type { FormFigures, PartFigures } from "../score.ts";
import { PUBLISHED, type PublishedSet } from "./published.ts";
import { type CutRecord, type DepthRecord, hasReference, type WholeRecord } from "./records.ts";

export interface FormSummary {
  readonly accuracy: Spread;
  readonly auc: Spread | null;
  /** Beside the whole network on the same examples. */
  readonly agreement: Spread | null;
  /** Share of examples lost to it. */
  readonly loss: Spread | null;
  /** Mean over runs of the standard error of the loss, from the number of examples. */
  readonly lossError: number | null;
  /** Of two classes, with decision thresholds from training examples. */
  readonly atThreshold: { readonly accuracy: Spread; readonly loss: Spread | null } | null;
}

export interface PartSummary {
  readonly count: number;
  readonly labelled: number;
  readonly float: FormSummary;
  readonly int8: FormSummary;
}

/** What the networks are compared by, on the x axis. */
export const COSTS = ["parameters", "macs", "cycles", "ram", "flash"] as const;
export type CostName = (typeof COSTS)[number];

export interface ReportEntry {
  readonly kind: "whole" | "added" | "cut";
  /** `whole`, the name of an added network, or the cut's. */
  readonly name: string;
  /** Entries that one line joins: head and training. Empty for the whole network. */
  readonly series: string;
  readonly head: string | null;
  readonly frozen: boolean | null;
  readonly distilled: boolean | null;
  readonly seeds: readonly number[];
  readonly epochs: readonly number[];
  readonly kerasParameters: number;
  readonly tfliteBytes: number;
  /** Cycles, RAM and flash of the emulated chip: null where it does not fit. RAM: arena, scratch, stack, variables. */
  readonly costs: { readonly [cost in CostName]: number | null };
  /** Without folding of channels that are always constant. */
  readonly unfolded: Pick<ReportEntry["costs"], "cycles" | "ram" | "flash">;
  readonly problem: string | null;
  readonly accuracy: { readonly [part in MeasuredPart]?: PartSummary };
  /** Costs by which no other network is both cheaper and better, in int8 on the part that is reported. */
  readonly pareto: readonly CostName[];
}

export interface DepthReport {
  readonly network: string;
  /** Whether cuts are compared with another whole network than the one that was cut. */
  readonly isReference: boolean;
  readonly data: string;
  /** What plots and the Pareto front are of: evaluation, else test, where every network was measured on it. */
  readonly part: MeasuredPart;
  readonly entries: readonly ReportEntry[];
  readonly published: PublishedSet | null;
  readonly commands: readonly string[];
  /** Of each run, by folder: what decides its result. */
  readonly runs: readonly { readonly seed: number; readonly cut: string; readonly options: unknown }[];
}

function summarizeForm(forms: readonly FormFigures[]): FormSummary {
  const optional = (of: (form: FormFigures) => number | null) => optionalSpread(forms.map(of));
  const decided = optional((form) => form.atThreshold?.accuracy ?? null);
  return {
    accuracy: spread(forms.map(({ accuracy }) => accuracy)),
    auc: optional(({ auc }) => auc),
    agreement: optional(({ agreement }) => agreement),
    loss: optional(({ paired }) => paired?.loss ?? null),
    lossError: optional(({ paired }) => paired?.error ?? null)?.mean ?? null,
    atThreshold: decided && {
      accuracy: decided,
      loss: optional((form) => form.atThreshold?.paired?.loss ?? null),
    },
  };
}

function summarizePart(parts: readonly PartFigures[]): PartSummary {
  const { count, labelled } = parts[0]!;
  const of = (form: "float" | "int8") => summarizeForm(parts.map((part) => part[form]));
  return { count, labelled, float: of("float"), int8: of("int8") };
}

/** The last one that every network was measured on is reported. */
const PARTS: readonly MeasuredPart[] = ["validation", "test", "evaluation"];

/** @param all figures of the same network by different seeds */
function summarizeFigures(all: readonly Figures[]) {
  const mean = (of: (figures: Figures) => number | undefined | null): number | null =>
    optionalSpread(all.map(of))?.mean ?? null;
  const chip = (key: "chip" | "chipUnfolded") => ({
    cycles: mean((figures) => figures[key]?.cycles),
    ram: mean((figures) => figures[key]?.ram.sum),
    flash: mean((figures) => figures[key]?.flash.sum),
  });
  const { parameters, kerasParameters, macs } = all[0]!;
  const accuracy: { [part in MeasuredPart]?: PartSummary } = {};
  for (const part of PARTS) {
    const parts = all.flatMap((figures) => figures.accuracy[part] ?? []);
    if (parts.length === all.length) accuracy[part] = summarizePart(parts);
  }
  return {
    kerasParameters,
    tfliteBytes: mean((figures) => figures.tfliteBytes)!,
    costs: { parameters, macs, ...chip("chip") },
    unfolded: chip("chipUnfolded"),
    problem: all.find(({ problem }) => problem !== null)?.problem ?? null,
    accuracy,
  };
}

/** Head and training: what cuts that one line joins have in common. */
export const seriesOf = ({ head, frozen, distilled, tag }: CutRecord) =>
  [head, frozen ? "frozen" : "unfrozen", ...(distilled ? ["distilled"] : []), ...(tag ? [tag] : [])].join(
    ", ",
  );

function entryOf(records: readonly DepthRecord[]): Omit<ReportEntry, "pareto"> {
  const first = records[0]!;
  const figures = summarizeFigures(records.map((record) => record.figures));
  const none = { head: null, frozen: null, distilled: null, seeds: [], epochs: [], ...figures };
  if (first.kind === "whole") return { kind: "whole", name: "whole", series: "", ...none };
  if (first.kind === "added") return { kind: "added", name: first.name, series: "other networks", ...none };
  const { cut, head, frozen, distilled } = first;
  const cuts = records as readonly CutRecord[];
  const [seeds, epochs] = [cuts.map(({ seed }) => seed), cuts.map((record) => record.epochs)];
  const series = seriesOf(first);
  return { kind: "cut", name: cut, series, ...figures, head, frozen, distilled, seeds, epochs };
}

/** Accuracy in int8 on a part; null where it was not measured. */
export const int8Accuracy = (entry: Pick<ReportEntry, "accuracy">, part: MeasuredPart): number | null =>
  entry.accuracy[part]?.int8.accuracy.mean ?? null;

/** Whether no other entry is as cheap and as good, and better in one of the two. */
function isParetoOptimal(
  entry: Omit<ReportEntry, "pareto">,
  all: readonly Omit<ReportEntry, "pareto">[],
  cost: CostName,
  part: MeasuredPart,
): boolean {
  const of = (one: Omit<ReportEntry, "pareto">) => [one.costs[cost], int8Accuracy(one, part)] as const;
  const [own, accuracy] = of(entry);
  if (own === null || accuracy === null) return false;
  return !all.some((other) => {
    const [theirs, better] = of(other);
    if (theirs === null || better === null) return false;
    return theirs <= own && better >= accuracy && (theirs < own || better > accuracy);
  });
}

/**
 * @param records results of one network, or of several that differ by seed
 * @param whole one of them: what all of them have in common
 */
export function depthReport(records: readonly DepthRecord[], whole: WholeRecord): DepthReport {
  const { cuts: order, classes } = whole;
  const groups = new Map<string, DepthRecord[]>();
  for (const record of records) {
    const key =
      record.kind === "cut"
        ? JSON.stringify([record.cut, seriesOf(record)])
        : record.kind === "added"
          ? JSON.stringify(["added", record.name])
          : "";
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const rank = { whole: 0, cut: 1, added: 2 } as const;
  const entries = [...groups.values()]
    .map(entryOf)
    .sort(
      (a, b) =>
        rank[a.kind] - rank[b.kind] ||
        a.series.localeCompare(b.series) ||
        order.indexOf(a.name) - order.indexOf(b.name),
    );
  const part =
    PARTS.findLast((one) => entries.every(({ accuracy }) => accuracy[one] !== undefined)) ?? "validation";
  const shape = JSON.stringify(whole.inputShape);
  return {
    network: whole.network,
    isReference: records.some(hasReference),
    data: String(whole.identity.data),
    part,
    entries: entries.map((entry) => ({
      ...entry,
      pareto: COSTS.filter((cost) => isParetoOptimal(entry, entries, cost, part)),
    })),
    published:
      PUBLISHED.find((set) => JSON.stringify(set.inputShape) === shape && set.classes === classes) ?? null,
    commands: [...new Set(records.flatMap(({ command }) => command ?? []))],
    runs: records.flatMap((record) =>
      record.kind === "cut" ? [{ seed: record.seed, cut: record.cut, options: record.identity }] : [],
    ),
  };
}
