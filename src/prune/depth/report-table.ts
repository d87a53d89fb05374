/** The table of a report, for the terminal and the page. */
import { formatSpread, type Spread } from "../../report/spread.ts";
import { type Column, formatCount } from "../../report/table.ts";
import type { CostName, DepthReport, FormSummary, PartSummary, ReportEntry } from "./report.ts";

export interface ReportColumn extends Column {
  readonly isText?: boolean;
  /** Left out of the terminal's table, which has less room. */
  readonly isDetail?: boolean;
  readonly cell: (entry: ReportEntry, whole: ReportEntry, part: PartSummary | undefined) => string;
}

const LETTERS: Readonly<Record<CostName, string>> = {
  parameters: "P",
  macs: "M",
  cycles: "C",
  ram: "R",
  flash: "F",
};

const change = (value: number, of: number) => {
  const share = Math.round((1000 * (value - of)) / of) / 10;
  return `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(share).toFixed(1)} %`;
};

const withChange = (value: number | null, of: number | null) =>
  value === null
    ? "-"
    : `${formatCount(value)}${of === null || of === value ? "" : ` (${change(value, of)})`}`;

const spread = (value: Spread, digits = 2) => formatSpread(value, (share) => (100 * share).toFixed(digits));

const optional = (form: FormSummary | undefined, key: "auc" | "agreement" | "loss", digits = 2) => {
  const value = form?.[key] ?? null;
  return value === null ? "" : spread(value, digits);
};

const cost = (title: string, key: CostName): ReportColumn => ({
  title,
  align: "right",
  cell: (entry, whole) => withChange(entry.costs[key], whole.costs[key]),
});

const COLUMNS: readonly ReportColumn[] = [
  { title: "network", isText: true, cell: ({ name }) => name },
  { title: "head and training", isText: true, cell: ({ series }) => series },
  { title: "seeds", isText: true, isDetail: true, cell: ({ seeds }) => seeds.join(", ") },
  {
    title: "epochs",
    isText: true,
    isDetail: true,
    cell: ({ epochs }) => [...new Set(epochs)].join(", "),
  },
  { title: "float %", align: "right", cell: (_, __, part) => (part ? spread(part.float.accuracy) : "-") },
  { title: "int8 %", align: "right", cell: (_, __, part) => (part ? spread(part.int8.accuracy) : "-") },
  { title: "loss, points", align: "right", cell: (_, __, part) => optional(part?.float, "loss") },
  {
    title: "± of one run",
    align: "right",
    isDetail: true,
    cell: (_, __, part) => (part?.float.lossError ? (100 * part.float.lossError).toFixed(2) : ""),
  },
  {
    title: "loss int8",
    align: "right",
    isDetail: true,
    cell: (_, __, part) => optional(part?.int8, "loss"),
  },
  { title: "agreement %", align: "right", cell: (_, __, part) => optional(part?.float, "agreement") },
  { title: "AUC %", align: "right", cell: (_, __, part) => optional(part?.float, "auc") },
  {
    title: "int8 % by threshold",
    align: "right",
    cell: (_, __, part) => (part?.int8.atThreshold ? spread(part.int8.atThreshold.accuracy) : ""),
  },
  {
    title: "its loss",
    align: "right",
    cell: (_, __, part) => (part?.int8.atThreshold?.loss ? spread(part.int8.atThreshold.loss) : ""),
  },
  {
    title: "Keras parameters",
    align: "right",
    cell: (entry, whole) => withChange(entry.kerasParameters, whole.kerasParameters),
  },
  { ...cost("parameters", "parameters"), isDetail: true },
  cost("MACs", "macs"),
  cost("cycles", "cycles"),
  cost("RAM", "ram"),
  cost("flash", "flash"),
  {
    title: ".tflite",
    align: "right",
    isDetail: true,
    cell: ({ tfliteBytes }) => formatCount(tfliteBytes),
  },
  { title: "Pareto", isText: true, cell: ({ pareto }) => pareto.map((name) => LETTERS[name]).join(" ") },
];

/** The cells of every entry, in the order of the report. */
export function reportRows(report: DepthReport, columns: readonly ReportColumn[]): string[][] {
  const whole = report.entries.find(({ kind }) => kind === "whole")!;
  return report.entries.map((entry) =>
    columns.map(({ cell }) => cell(entry, whole, entry.accuracy[report.part])),
  );
}

/** The columns in which any entry has something to say. */
export function usedColumns(report: DepthReport, withDetails = true): readonly ReportColumn[] {
  const wanted = COLUMNS.filter(({ isDetail }) => withDetails || !isDetail);
  const rows = reportRows(report, wanted);
  return wanted.filter((_, i) => rows.some((row) => row[i] !== ""));
}
