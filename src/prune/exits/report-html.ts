/** The report of tuned exits as a page. */
import { htmlPage, htmlTable } from "../../report/page.ts";
import {
  type Marker,
  type ScatterPoint,
  type ScatterSeries,
  scatterLegend,
  scatterPlot,
} from "../../report/scatter.ts";
import { formatSpread } from "../../report/spread.ts";
import { formatCount } from "../../report/table.ts";
import { escapeXml } from "../../report/xml.ts";
import { staticFront } from "./compare.ts";
import { EXIT_COSTS, type ExitCostName } from "./costs.ts";
import type { ExitReport } from "./report.ts";
import {
  COST_NAMES,
  costLines,
  lossLine,
  percent,
  runTable,
  standingLines,
  stopTable,
  type TextTable,
} from "./report-text.ts";
import { OTHER_SERIES, WHOLE_SERIES } from "./static.ts";
import type { TuneReport } from "./tune.ts";

const MARKERS: readonly Marker[] = ["diamond", "triangle", "circle", "square"];

const MOST_MARKS = 20;

const thousands = (x: number) => (x >= 1e6 ? `${Number((x / 1e6).toPrecision(4))} M` : `${x / 1000} k`);

const point = (x: number, y: number, label: string, title: string, error = 0): ScatterPoint => ({
  x,
  y,
  error,
  label,
  title: `${title}: ${formatCount(x)}, ${percent(y)}`,
});

/** Of one run labels say what a point is, of several its legend. */
function ownSeries({ runs, curves, overall }: ExitReport, cost: ExitCostName): ScatterSeries[] {
  const solid = { isHollow: false, isLine: false };
  const label = (text: string) => (runs.length > 1 ? "" : text);
  const ofRuns = runs.length > 1 ? ", mean of the runs" : "";
  return [
    {
      name: `early exits, all thresholds${ofRuns}`,
      colour: "c0",
      marker: "circle",
      isHollow: true,
      // A mark for each of so many thresholds would hide everything else.
      isDotless: curves[cost]!.length > MOST_MARKS,
      isLine: true,
      points: curves[cost]!.map(({ accuracy, cost: mean }) => point(mean, accuracy, "", "early exits")),
    },
    {
      name: "early exits, as tuned",
      colour: "c1",
      marker: "star",
      ...solid,
      points: runs.map(({ model, mean, accuracy }) => point(mean[cost]!, accuracy, label("tuned"), model)),
    },
    {
      name: `the same network without exits${ofRuns}`,
      colour: "whole",
      marker: "star",
      ...solid,
      points: [
        point(
          overall.whole[cost]!.mean,
          overall.wholeAccuracy.mean,
          label("without exits"),
          "without exits",
          overall.wholeAccuracy.deviation,
        ),
      ],
    },
  ];
}

function staticSeries({ statics }: ExitReport, cost: ExitCostName): ScatterSeries[] {
  const names = [...new Set(statics.map(({ series }) => series))];
  const looks: Readonly<Record<string, Pick<ScatterSeries, "colour" | "marker" | "isLine">>> = {
    [WHOLE_SERIES]: { colour: "other", marker: "square", isLine: false },
    [OTHER_SERIES]: { colour: "other", marker: "cross", isLine: false },
  };
  return names.map((series, i) => ({
    name: series,
    isHollow: false,
    ...(looks[series] ?? { colour: `c${2 + (i % 6)}`, marker: MARKERS[i % MARKERS.length]!, isLine: true }),
    points: statics
      .filter((one) => one.series === series && one.costs[cost] !== null)
      .map(({ name, accuracy: { mean, deviation }, costs }) =>
        point(costs[cost]!, mean, name, `${name}, ${series}`, deviation),
      ),
  }));
}

function plot(report: ExitReport, cost: ExitCostName): { series: ScatterSeries[]; svg: string } {
  const series = [...staticSeries(report, cost), ...ownSeries(report, cost)];
  const name = COST_NAMES[cost];
  const svg = scatterPlot(series, {
    title: `Accuracy against mean ${name} (int8)`,
    xLabel: `mean ${name} of one inference`,
    yLabel: "accuracy, validation",
    formatX: thousands,
    formatY: (y) => `${Number((100 * y).toFixed(2))} %`,
    front: staticFront(report.statics, cost).map((one) => ({ x: one.costs[cost]!, y: one.accuracy.mean })),
  });
  return { series, svg };
}

const tableOf = ({ columns, rows, strong }: TextTable) =>
  htmlTable(
    columns.map(({ title, align }) => ({ title, ...(align !== "right" && { isText: true }) })),
    rows.map((cells, i) => ({ cells, isStrong: i === strong })),
  );

function comparison(report: ExitReport): string {
  if (report.comparison.length === 0) return "";
  const rows = report.comparison.map(({ cost, network, exits }) => ({
    cells: [
      network.name,
      network.series,
      COST_NAMES[cost],
      formatCount(network.costs[cost]!),
      `${formatSpread(network.accuracy, (share) => (100 * share).toFixed(2))} %`,
      exits === null ? "cheaper than any" : percent(exits),
      exits === null ? "" : (100 * (exits - network.accuracy.mean)).toFixed(2),
    ],
  }));
  const columns = ["by", "cost", "accuracy", "exits, at no higher mean cost", "points gained"];
  const text = [
    { title: "network", isText: true },
    { title: "", isText: true },
  ];
  return [
    "<h2>Beside static networks</h2>",
    ...standingLines(report).map(
      (line) => `<p>${escapeXml(`${line[0]!.toUpperCase()}${line.slice(1)}.`)}</p>`,
    ),
    `<p class="soft">Those on the Pareto front of networks without exits, measured on the same examples:</p>`,
    htmlTable([...text, ...columns.map((title) => ({ title }))], rows),
  ].join("\n");
}

function judged({ labelled, examples }: TuneReport): string {
  if (labelled === examples) return "their labels";
  const network = "what the whole network answers";
  return labelled === 0 ? network : `${formatCount(labelled)} labels, the rest by ${network}`;
}

function stops({ runs }: ExitReport): string[] {
  const several = runs.length > 1;
  return runs.flatMap((run) => [
    ...(several ? [`<h3>${escapeXml(run.model)}</h3>`] : []),
    tableOf(stopTable(run)),
    ...(run.dropped.length > 0
      ? [`<p>Not worth their cost, and gone from the file: ${escapeXml(run.dropped.join(", "))}.</p>`]
      : []),
  ]);
}

/** The page: what stops where, plots, static networks beside it. */
export function exitReportPage(report: ExitReport): string {
  const { runs } = report;
  const first = runs[0]!;
  const costs = EXIT_COSTS.filter((cost) => report.curves[cost] !== null);
  const plots = costs.map((cost) => plot(report, cost));
  const intro = [
    `${formatCount(first.examples)} validation examples of ${first.data}, judged by ${judged(first)}.`,
    `As tuned: ${lossLine(report)}.`,
    "Held out: thresholds of one half of the examples applied to the other half.",
    "Cycles are of the emulated RP2040; those of parts are sums over their operators.",
    `Energy is a proxy: cycles at ${report.energyAssumption}.`,
  ].join(" ");
  const problem = runs.find((run) => run.problem)?.problem;
  const title =
    runs.length > 1 ? `Early exits, ${runs.length} runs on ${first.data}` : `Early exits of ${first.model}`;
  return htmlPage(
    title,
    [
      `<h1>${escapeXml(title)}</h1>`,
      `<p>${escapeXml(intro)}</p>`,
      `<ul>${costLines(report)
        .map((line) => `<li>${escapeXml(line)}</li>`)
        .join("\n")}</ul>`,
      ...(problem ? [`<p>No cycles: ${escapeXml(problem)}</p>`] : []),
      scatterLegend(
        plots.flatMap(({ series }) => series),
        report.statics.length > 0 ? "Pareto front of static networks" : null,
      ),
      `<div class="plots">\n${plots.map(({ svg }) => svg).join("\n")}\n</div>`,
      ...(runs.length > 1 ? ["<h2>Runs</h2>", tableOf(runTable(report))] : []),
      "<h2>Where inputs stop</h2>",
      ...stops(report),
      comparison(report),
      "<h2>How it was made</h2>",
      `<pre>${escapeXml(report.command)}</pre>`,
      `<p class="soft">report.json holds every figure, and the thresholds of every point.</p>`,
    ].join("\n"),
  );
}
