/** The report of depth pruning as a page. */
import { htmlPage, htmlTable } from "../../report/page.ts";
import {
  type Marker,
  paretoFront,
  type ScatterOptions,
  type ScatterPoint,
  type ScatterSeries,
  scatterLegend,
  scatterPlot,
} from "../../report/scatter.ts";
import { formatSpread } from "../../report/spread.ts";
import { formatCount } from "../../report/table.ts";
import { escapeXml } from "../../report/xml.ts";
import { PUBLISHED_SOURCE, type PublishedPoint } from "./published.ts";
import type { CostName, DepthReport, FormSummary, ReportEntry } from "./report.ts";
import { reportRows, usedColumns } from "./report-table.ts";

/** Of the chip, to tell cycles from the milliseconds that were published. */
const PUBLISHED_MHZ = 125;

const MARKERS: readonly Marker[] = ["circle", "square", "diamond", "triangle"];

const percent = (share: number) => `${Number((100 * share).toFixed(1))} %`;

interface Plot {
  readonly title: string;
  readonly xLabel: string;
  /** What published points are on this axis, where there are any. */
  readonly publishedLabel?: string;
  readonly form: "float" | "int8";
  readonly cost: CostName;
  readonly x: (entry: ReportEntry) => number | null;
  readonly formatX: (x: number) => string;
  /** A published point: null where nothing was published. */
  readonly published: (
    point: Pick<PublishedPoint, "kerasParameters" | "macs" | "board">,
    accuracy: { frozen: number | null; unfrozen: number | null },
  ) => { readonly x: number; readonly series: string; readonly y: number }[];
}

type Published = ReturnType<Plot["published"]>[number];

/** Of the published accuracies in float. */
const bothTrainings = (
  x: number,
  { frozen, unfrozen }: { frozen: number | null; unfrozen: number | null },
): Published[] => [
  ...(frozen === null ? [] : [{ x, series: "published, frozen", y: frozen }]),
  ...(unfrozen === null ? [] : [{ x, series: "published, unfrozen", y: unfrozen }]),
];

const thousands = (x: number) =>
  x >= 1e6 ? `${Number((x / 1e6).toPrecision(4))} M` : x >= 1000 ? `${x / 1000} k` : `${x}`;

const PLOTS: readonly Plot[] = [
  {
    title: "Parameters (float)",
    xLabel: "parameters, as Keras counts them",
    form: "float",
    cost: "parameters",
    x: (entry) => entry.kerasParameters,
    formatX: thousands,
    published: ({ kerasParameters }, accuracy) => bothTrainings(kerasParameters, accuracy),
  },
  {
    title: "Multiply-accumulates (float)",
    xLabel: "MACs of one inference",
    form: "float",
    cost: "macs",
    x: (entry) => entry.costs.macs,
    formatX: thousands,
    published: ({ macs }, accuracy) => bothTrainings(macs, accuracy),
  },
  {
    title: "Cycles on the RP2040 (int8)",
    xLabel: "cycles of one inference",
    publishedLabel: `time on the board at ${PUBLISHED_MHZ} MHz`,
    form: "int8",
    cost: "cycles",
    x: (entry) => entry.costs.cycles,
    formatX: thousands,
    published: ({ board }) => [
      { x: board.milliseconds * PUBLISHED_MHZ * 1000, series: "published, on the board", y: board.accuracy },
    ],
  },
  {
    title: "RAM on the RP2040 (int8)",
    xLabel: "bytes: arena, scratch, stack, variables",
    form: "int8",
    cost: "ram",
    x: (entry) => entry.costs.ram,
    formatX: thousands,
    published: () => [],
  },
  {
    title: "Flash on the RP2040 (int8)",
    xLabel: "bytes: code and image",
    publishedLabel: "the .tflite file alone",
    form: "int8",
    cost: "flash",
    x: (entry) => entry.costs.flash,
    formatX: thousands,
    published: ({ board }) => [
      { x: board.kilobytes * 1000, series: "published, on the board", y: board.accuracy },
    ],
  },
];

const colours = (report: DepthReport): ReadonlyMap<string, { colour: string; marker: Marker }> => {
  const names = [...new Set(report.entries.filter(({ kind }) => kind === "cut").map(({ series }) => series))];
  return new Map(
    names.map((name, i) => [name, { colour: `c${i % 8}`, marker: MARKERS[i % MARKERS.length]! }] as const),
  );
};

/** The look of a series; its points are added per plot. */
function looks(report: DepthReport): Omit<ScatterSeries, "points">[] {
  return [
    ...[...colours(report)].map(([name, look]) => ({ name, ...look, isHollow: false, isLine: true })),
    { name: "whole", colour: "whole", marker: "star", isHollow: false, isLine: false },
    { name: "other networks", colour: "other", marker: "cross", isHollow: false, isLine: true },
    { name: "published, frozen", colour: "other", marker: "circle", isHollow: true, isLine: true },
    { name: "published, unfrozen", colour: "other", marker: "square", isHollow: true, isLine: true },
    { name: "published, on the board", colour: "other", marker: "diamond", isHollow: true, isLine: true },
  ];
}

const describeForm = ({ accuracy }: FormSummary) =>
  `${formatSpread(accuracy, (share) => (100 * share).toFixed(2))} %`;

type Placed = { readonly series: string; readonly point: ScatterPoint };

function ownPoints(report: DepthReport, plot: Plot, y: (form: FormSummary) => number): Placed[] {
  return report.entries.flatMap((entry): Placed[] => {
    const [x, form] = [plot.x(entry), entry.accuracy[report.part]?.[plot.form]];
    if (x === null || form === undefined) return [];
    const series = entry.kind === "whole" ? "whole" : entry.series;
    const title = `${[entry.name, entry.series].filter(Boolean).join(", ")}: ${formatCount(x)}, ${describeForm(form)}`;
    return [{ series, point: { x, y: y(form), error: form.accuracy.deviation, label: entry.name, title } }];
  });
}

function publishedPoints(report: DepthReport, plot: Plot): Placed[] {
  if (report.published === null) return [];
  const { whole, cuts } = report.published;
  const all = [{ cut: "whole", ...whole, frozen: whole.accuracy, unfrozen: null }, ...cuts];
  return all.flatMap((point) =>
    plot.published(point, point).map(({ x, y, series }) => {
      const title = `${series}, ${point.cut}: ${formatCount(x)}, ${(100 * y).toFixed(1)} %`;
      return { series, point: { x, y, error: 0, label: "", title } };
    }),
  );
}

/** Series with their points; those without are left out. */
function withPoints(report: DepthReport, points: readonly Placed[]): ScatterSeries[] {
  return looks(report)
    .map((look) => ({
      ...look,
      points: points.filter(({ series }) => series === look.name).map(({ point }) => point),
    }))
    .filter((series) => series.points.length > 0);
}

function draw(report: DepthReport, plot: Plot): { series: ScatterSeries[]; svg: string } {
  const own = ownPoints(report, plot, (form) => form.accuracy.mean);
  const all = withPoints(report, [...own, ...publishedPoints(report, plot)]);
  // Many networks need the same RAM: lines between them would say nothing.
  const series = plot.cost === "ram" ? all.map((one) => ({ ...one, isLine: false })) : all;
  const options: ScatterOptions = {
    ...plot,
    xLabel:
      report.published && plot.publishedLabel
        ? `${plot.xLabel}; published: ${plot.publishedLabel}`
        : plot.xLabel,
    yLabel: `accuracy, ${report.part}`,
    formatY: percent,
    front: paretoFront(own.map(({ point }) => point)),
  };
  return { series, svg: scatterPlot(series, options) };
}

/** What is lost against the own whole network, by the share of its parameters that is left: ours and theirs alike. */
function drawLoss(report: DepthReport): string {
  const whole = report.entries.find(({ kind }) => kind === "whole")!;
  const own: Placed[] = report.entries.flatMap((entry) => {
    const form = entry.accuracy[report.part]?.float;
    if (form === undefined) return [];
    const loss = form.loss?.mean ?? 0;
    const x = entry.kerasParameters / whole.kerasParameters;
    const title = `${entry.name}, ${entry.series}: ${percent(x)} of the parameters, ${(100 * loss).toFixed(2)} points lost`;
    const series = entry.kind === "whole" ? "whole" : entry.series;
    return [{ series, point: { x, y: -loss, error: form.loss?.deviation ?? 0, label: entry.name, title } }];
  });
  const { published } = report;
  const theirs: Placed[] = (published?.cuts ?? []).flatMap((point) =>
    bothTrainings(point.kerasParameters / published!.whole.kerasParameters, point).map(({ x, y, series }) => {
      const gain = y - published!.whole.accuracy;
      const title = `${series}, ${point.cut}: ${percent(x)} of the parameters, ${(-100 * gain).toFixed(2)} points lost`;
      return { series, point: { x, y: gain, error: 0, label: "", title } };
    }),
  );
  return scatterPlot(withPoints(report, [...own, ...theirs]), {
    title: "Against the own whole network (float)",
    xLabel: "share of its parameters",
    yLabel: "points of accuracy gained or lost",
    formatX: percent,
    formatY: (y) => `${Number((100 * y).toFixed(1))}`,
    front: [],
  });
}

/** The page: plots, a table of all networks, how they were made. */
export function depthReportPage(report: DepthReport): string {
  const drawn = PLOTS.map((plot) => draw(report, plot));
  const plots = [...drawn.map(({ svg }) => svg), drawLoss(report)].filter((svg) => svg !== "");
  const whole = report.entries.find(({ kind }) => kind === "whole")!;
  const figures = whole.accuracy[report.part]!;
  const runs = report.entries.reduce((sum, { seeds }) => sum + seeds.length, 0);
  const intro = [
    `${formatCount(runs)} trained networks on ${report.data}. Accuracies are of ${formatCount(figures.labelled)} ${report.part} examples`,
    figures.count === figures.labelled ? "" : ` (agreement of ${formatCount(figures.count)})`,
    "; those of several seeds are means, bars and ± are standard deviations. Losses are paired: on the same examples as the whole network. ",
    report.isReference
      ? "That is not the network that was cut, but the same one trained otherwise, as the commands say. "
      : "",
    figures.int8.atThreshold
      ? "By threshold: with the decision threshold that parts both classes best on training examples, each network its own. "
      : "",
    "Cycles, RAM and flash are those of the int8 network on an emulated RP2040.",
  ].join("");
  const published = report.published
    ? `<p class="soft">Published: ${escapeXml(report.published.network)}, head dscnn32_16; ${escapeXml(PUBLISHED_SOURCE)}, arXiv 2204.10546. Other data splits and another whole network (${percent(report.published.whole.accuracy)}): compare losses, not accuracies.</p>`
    : "";
  const columns = usedColumns(report);
  const table = htmlTable(
    columns.map(({ title, isText }) => ({ title, ...(isText && { isText }) })),
    reportRows(report, columns).map((cells, i) => ({
      cells,
      isStrong: report.entries[i]!.kind === "whole",
    })),
  );
  return htmlPage(
    `Depth pruning of ${report.network}`,
    [
      `<h1>Depth pruning of ${escapeXml(report.network)}</h1>`,
      `<p>${escapeXml(intro)}</p>${published}`,
      scatterLegend(
        drawn.flatMap(({ series }) => series),
        "Pareto front, ours",
      ),
      `<div class="plots">\n${plots.join("\n")}\n</div>`,
      "<h2>All networks</h2>",
      table,
      `<p class="soft">Pareto: no other network here is both smaller in this respect (P parameters, M MACs, C cycles, R RAM, F flash) and better in int8.</p>`,
      "<h2>How they were made</h2>",
      `<pre>${report.commands.map(escapeXml).join("\n")}</pre>`,
      `<p class="soft">report.json holds every figure, and the options of every run.</p>`,
    ].join("\n"),
  );
}
