/** The report of tuned exits as a page. */
import { htmlPage, htmlTable } from "../../report/page.ts";
import {
  type Marker,
  type ScatterPoint,
  type ScatterSeries,
  scatterLegend,
  scatterPlot,
} from "../../report/scatter.ts";
import { formatCount, formatOptional, formatPercent } from "../../report/table.ts";
import { escapeXml } from "../../report/xml.ts";
import type { ExitCostName } from "./costs.ts";
import { type Comparison, type StaticNetwork, staticFront } from "./static.ts";
import type { TuneReport } from "./tune.ts";

/** All that a report shows. */
export interface ExitReport extends TuneReport {
  readonly statics: readonly StaticNetwork[];
  readonly comparison: readonly Comparison[];
  readonly command: string;
}

const MARKERS: readonly Marker[] = ["square", "diamond", "triangle", "circle"];

const NAMES: Readonly<Record<ExitCostName, string>> = { macs: "MACs", cycles: "cycles" };

const percent = (share: number) => formatPercent(share, 2);

/** `0.30 points lost` */
export const describeLoss = (loss: number): string =>
  `${(100 * Math.abs(loss)).toFixed(2)} points ${loss < 0 ? "gained" : "lost"}`;

const thousands = (x: number) => (x >= 1e6 ? `${Number((x / 1e6).toPrecision(4))} M` : `${x / 1000} k`);

/** Thresholds as people write them: all the same one, or the range. */
export function formatThresholds(thresholds: readonly number[]): string {
  if (thresholds.length === 0) return "";
  const [low, high] = [Math.min(...thresholds), Math.max(...thresholds)];
  return low === high ? low.toFixed(4) : `${low.toFixed(4)} to ${high.toFixed(4)}`;
}

const point = (x: number, y: number, label: string, title: string, error = 0): ScatterPoint => ({
  x,
  y,
  error,
  label,
  title: `${title}: ${formatCount(x)}, ${percent(y)}`,
});

function ownSeries(report: ExitReport, cost: ExitCostName): ScatterSeries[] {
  const curve = report.curves[cost]!;
  const { whole } = report;
  const solid = { isHollow: false, isLine: false };
  return [
    {
      name: "early exits, all thresholds",
      colour: "c0",
      marker: "circle",
      isHollow: true,
      isLine: true,
      points: curve.map(({ accuracy, cost: mean }) => point(mean, accuracy, "", "early exits")),
    },
    {
      name: "early exits, as tuned",
      colour: "c1",
      marker: "star",
      ...solid,
      points: [point(report.mean[cost]!, report.accuracy, "tuned", "as tuned")],
    },
    {
      name: "the same network without exits",
      colour: "whole",
      marker: "star",
      ...solid,
      points: [point(whole.costs[cost]!, whole.accuracy, "without exits", "without exits")],
    },
  ];
}

function staticSeries({ statics }: ExitReport, cost: ExitCostName): ScatterSeries[] {
  const names = [...new Set(statics.map(({ series }) => series))];
  return names.map((series, i) => ({
    name: series === "" ? "whole network, trained without exits" : `cut: ${series}`,
    colour: series === "" ? "other" : `c${2 + (i % 6)}`,
    marker: MARKERS[i % MARKERS.length]!,
    isHollow: false,
    isLine: series !== "",
    points: statics
      .filter((one) => one.series === series && one.costs[cost] !== null)
      .map((one) => point(one.costs[cost]!, one.accuracy, one.name, `${one.name}, ${series}`, one.deviation)),
  }));
}

function plot(report: ExitReport, cost: ExitCostName): { series: ScatterSeries[]; svg: string } {
  const series = [...staticSeries(report, cost), ...ownSeries(report, cost)];
  const svg = scatterPlot(series, {
    title: `Accuracy against mean ${NAMES[cost]} (int8)`,
    xLabel: `mean ${NAMES[cost]} of one inference`,
    yLabel: "accuracy, validation",
    formatX: thousands,
    formatY: (y) => `${Number((100 * y).toFixed(2))} %`,
    front: staticFront(report.statics, cost).map((one) => ({ x: one.costs[cost]!, y: one.accuracy })),
  });
  return { series, svg };
}

function stopTable({ stops, whole, mean, accuracy, heldOut }: ExitReport): string {
  const share = (value: number | null, of: number | null) =>
    value === null || of === null ? "" : percent(value / of);
  const row = (
    name: string,
    costs: TuneReport["mean"],
    cells: readonly [accuracy: string, rate: string, thresholds: string],
    isStrong = false,
  ) => ({
    cells: [
      name,
      formatOptional(costs.macs),
      share(costs.macs, whole.costs.macs),
      formatOptional(costs.cycles),
      share(costs.cycles, whole.costs.cycles),
      ...cells,
    ],
    isStrong,
  });
  return htmlTable(
    [
      { title: "stops at", isText: true },
      { title: "MACs" },
      { title: "of the whole" },
      { title: "cycles" },
      { title: "of the whole" },
      { title: "accuracy" },
      { title: "share" },
      { title: "threshold" },
    ],
    [
      ...stops.map((stop) =>
        row(stop.name, stop.costs, [
          percent(stop.accuracy),
          percent(stop.rate),
          formatThresholds(stop.thresholds),
        ]),
      ),
      row("mean, as tuned", mean, [percent(accuracy), "", ""], true),
      ...(heldOut ? [row("held out", heldOut.mean, [percent(whole.accuracy - heldOut.loss), "", ""])] : []),
      row("without exits", whole.costs, [percent(whole.accuracy), "", ""]),
    ],
  );
}

function comparisonTable({ comparison }: ExitReport): string {
  if (comparison.length === 0) return "";
  const rows = comparison.map(({ cost, network, exits }) => ({
    cells: [
      [network.name, network.series].filter(Boolean).join(", "),
      NAMES[cost],
      formatCount(network.costs[cost]!),
      percent(network.accuracy),
      exits === null ? "cheaper than any" : percent(exits),
      exits === null ? "" : (100 * (exits - network.accuracy)).toFixed(2),
    ],
  }));
  const columns = ["by", "cost", "accuracy", "exits, at no higher mean cost", "points gained"];
  return `<h2>Beside static networks</h2>
<p class="soft">Those on the Pareto front of networks cut in depth.</p>
${htmlTable([{ title: "network", isText: true }, ...columns.map((title) => ({ title }))], rows)}`;
}

/** The page: what stops where, plots, static networks beside it. */
export function exitReportPage(report: ExitReport): string {
  const costs = (["macs", "cycles"] as const).filter((cost) => report.curves[cost] !== null);
  const plots = costs.map((cost) => plot(report, cost));
  const judged =
    report.labelled === report.examples
      ? "their labels"
      : report.labelled === 0
        ? "what the whole network answers"
        : `${formatCount(report.labelled)} labels, the rest by what the whole network answers`;
  const intro =
    `${formatCount(report.examples)} validation examples of ${report.data}, judged by ${judged}. ` +
    `As tuned: ${describeLoss(report.loss)} at ${percent(report.mean.macs! / report.whole.costs.macs!)} of the MACs. ` +
    "Held out: thresholds of one half of the examples applied to the other half. " +
    "Cycles are of the emulated RP2040; those of parts are sums over their operators.";
  const title = `Early exits of ${report.model}`;
  return htmlPage(
    title,
    [
      `<h1>${escapeXml(title)}</h1>`,
      `<p>${escapeXml(intro)}</p>`,
      ...(report.problem ? [`<p>No cycles: ${escapeXml(report.problem)}</p>`] : []),
      scatterLegend(
        plots.flatMap(({ series }) => series),
        "Pareto front of static networks",
      ),
      `<div class="plots">\n${plots.map(({ svg }) => svg).join("\n")}\n</div>`,
      "<h2>Where inputs stop</h2>",
      stopTable(report),
      comparisonTable(report),
      "<h2>How it was made</h2>",
      `<pre>${escapeXml(report.command)}</pre>`,
      `<p class="soft">report.json holds every figure, and the thresholds of every point.</p>`,
    ].join("\n"),
  );
}
