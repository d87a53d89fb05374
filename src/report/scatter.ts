/** A scatter plot as SVG for a page: colours come from the page's style sheet (`page.ts`). */
import { escapeXml } from "./xml.ts";

export type Marker = "circle" | "square" | "diamond" | "triangle" | "cross" | "star";

export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  /** Half the length of the error bar; 0: none. */
  readonly error: number;
  /** Beside the point; empty: none. */
  readonly label: string;
  /** Shown when the pointer rests on it. */
  readonly title: string;
}

export interface ScatterSeries {
  readonly name: string;
  /** Class of the style sheet, `c0` to `c7` or `other`. */
  readonly colour: string;
  readonly marker: Marker;
  readonly isHollow: boolean;
  /** Joins the points in the order of x. */
  readonly isLine: boolean;
  /** Draws the line alone. */
  readonly isDotless?: boolean;
  readonly points: readonly ScatterPoint[];
}

export interface ScatterOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
  /** Points of the Pareto front, by x. */
  readonly front: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 560;
const HEIGHT = 380;
const MARGIN = { left: 72, right: 20, top: 34, bottom: 48 };
/** From this ratio of the largest to the smallest x on, the axis is logarithmic. */
const LOGARITHMIC = 8;
const FONT = 11;
/** Width of a character, about: of wide fonts. */
const CHARACTER = 6.6;

interface Axis {
  readonly ticks: readonly number[];
  /** In pixels. */
  readonly position: (value: number) => number;
}

const SHAPES: Readonly<Record<Marker, string>> = {
  circle: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
  square: "M-4 -4H4V4H-4Z",
  diamond: "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
  triangle: "M0 -5.5L5 4H-5Z",
  cross: "M-4 -4L4 4M4 -4L-4 4",
  star: "M0 -7L1.8 -2.2L6.7 -2.2L2.8 0.9L4.1 5.7L0 2.9L-4.1 5.7L-2.8 0.9L-6.7 -2.2L-1.8 -2.2Z",
};

/** Round steps of 1, 2 or 5 times a power of ten, at most `count`. */
function roundTicks(from: number, to: number, count: number): number[] {
  const raw = (to - from) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function linearAxis(values: readonly number[], start: number, end: number, fromZero: boolean): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = 0.07 * (high - low || Math.abs(high) || 1);
  const from = fromZero ? 0 : low - room;
  const to = high + room;
  return {
    ticks: roundTicks(from, to, 6),
    position: (value) => start + ((value - from) / (to - from)) * (end - start),
  };
}

function logarithmicAxis(values: readonly number[], start: number, end: number): Axis {
  const from = Math.log(Math.min(...values) / 1.15);
  const to = Math.log(Math.max(...values) * 1.15);
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(from / Math.LN10); Math.log(power) <= to; power *= 10) {
    ticks.push(...[1, 2, 5].map((factor) => factor * power));
  }
  return {
    ticks: ticks.filter((tick) => Math.log(tick) >= from && Math.log(tick) <= to),
    position: (value) => start + ((Math.log(value) - from) / (to - from)) * (end - start),
  };
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const overlaps = (a: Box, b: Box) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const INSIDE: Box = {
  x: MARGIN.left,
  y: MARGIN.top,
  width: WIDTH - MARGIN.left - MARGIN.right,
  height: HEIGHT - MARGIN.top - MARGIN.bottom,
};

const isInside = (box: Box) =>
  box.x >= INSIDE.x &&
  box.y >= INSIDE.y &&
  box.x + box.width <= INSIDE.x + INSIDE.width &&
  box.y + box.height <= INSIDE.y + INSIDE.height;

/** Places a label beside a point where nothing else is; null where there is no such place. */
function placeLabel(x: number, y: number, label: string, taken: readonly Box[]): Box | null {
  const [width, height] = [CHARACTER * label.length, FONT + 1];
  const places = [
    [8, -height / 2],
    [-width / 2, -height - 6],
    [-width / 2, 7],
    [-8 - width, -height / 2],
    [6, -height - 4],
    [6, 5],
    [-6 - width, -height - 4],
    [-6 - width, 5],
  ] as const;
  for (const [dx, dy] of places) {
    const box = { x: x + dx, y: y + dy, width, height };
    if (isInside(box) && !taken.some((other) => overlaps(box, other))) return box;
  }
  return null;
}

const at = (value: number) => value.toFixed(1);

function axes(xs: Axis, ys: Axis, options: ScatterOptions): string[] {
  const { formatX, formatY, title, xLabel, yLabel } = options;
  const bottom = HEIGHT - MARGIN.bottom;
  const right = WIDTH - MARGIN.right;
  const middle = (MARGIN.top + bottom) / 2;
  return [
    `<text class="title" x="${MARGIN.left}" y="20">${escapeXml(title)}</text>`,
    ...xs.ticks.flatMap((tick) => {
      const x = at(xs.position(tick));
      return [
        `<path class="grid" d="M${x} ${MARGIN.top}V${bottom}"/>`,
        `<text x="${x}" y="${bottom + 16}" text-anchor="middle">${escapeXml(formatX(tick))}</text>`,
      ];
    }),
    ...ys.ticks.flatMap((tick) => {
      const y = at(ys.position(tick));
      return [
        `<path class="grid" d="M${MARGIN.left} ${y}H${right}"/>`,
        `<text x="${MARGIN.left - 7}" y="${y}" dy="4" text-anchor="end">${escapeXml(formatY(tick))}</text>`,
      ];
    }),
    `<path class="axis" d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}"/>`,
    `<text x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escapeXml(xLabel)}</text>`,
    `<text x="14" y="${middle}" text-anchor="middle" transform="rotate(-90 14 ${middle})">${escapeXml(yLabel)}</text>`,
  ];
}

/** The line of a series in a legend. */
const linePath = ({ colour }: ScatterSeries) => `<path class="${colour} line" d="M0 9H18"/>`;

/** The marker of a series, for plots and legends. */
function markerPath({ colour, marker, isHollow }: ScatterSeries, x: number, y: number): string {
  const look = isHollow || marker === "cross" ? "hollow" : "full";
  return `<path class="${colour} ${look}" transform="translate(${at(x)} ${at(y)})" d="${SHAPES[marker]}"/>`;
}

/** The picture, or empty text where no series has a point. */
export function scatterPlot(series: readonly ScatterSeries[], options: ScatterOptions): string {
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) return "";
  const values = points.map(({ x }) => x);
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const smallest = Math.min(...values);
  const isLogarithmic = smallest > 0 && Math.max(...values) / smallest >= LOGARITHMIC;
  const xs = isLogarithmic ? logarithmicAxis(values, left, right) : linearAxis(values, left, right, false);
  const heights = points.flatMap(({ y, error }) => [y - error, y + error]);
  const ys = linearAxis(heights, HEIGHT - MARGIN.bottom, MARGIN.top, false);
  const marked = series.filter(({ isDotless }) => !isDotless).flatMap((one) => one.points);
  const taken: Box[] = marked.map(({ x, y }) => ({
    x: xs.position(x) - 5,
    y: ys.position(y) - 5,
    width: 10,
    height: 10,
  }));
  const labels: string[] = [];
  const drawn = series.flatMap((one) => {
    const sorted = [...one.points].sort((a, b) => a.x - b.x);
    const path = sorted.map(({ x, y }) => `${at(xs.position(x))} ${at(ys.position(y))}`).join("L");
    const line = one.isLine && sorted.length > 1 ? [`<path class="${one.colour} line" d="M${path}"/>`] : [];
    return [
      ...line,
      ...(one.isDotless ? [] : one.points).map(({ x, y, error, label, title }) => {
        const [px, py] = [xs.position(x), ys.position(y)];
        const box = label === "" ? null : placeLabel(px, py, label, taken);
        if (box !== null) {
          taken.push(box);
          const place = `x="${at(box.x)}" y="${at(box.y + FONT - 1)}"`;
          labels.push(`<text class="label" ${place}>${escapeXml(label)}</text>`);
        }
        const [top, bottom] = [ys.position(y + error), ys.position(y - error)];
        const bar =
          error > 0 ? `<path class="${one.colour} line" d="M${at(px)} ${at(top)}V${at(bottom)}"/>` : "";
        return `<g>${bar}${markerPath(one, px, py)}<title>${escapeXml(title)}</title></g>`;
      }),
    ];
  });
  const front = options.front.map(({ x, y }) => [at(xs.position(x)), at(ys.position(y))] as const);
  const steps = front.map(([x, y], i) => (i === 0 ? `M${x} ${y}` : `H${x}V${y}`)).join("");
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(options.title)}">`,
    ...axes(xs, ys, options),
    steps === "" ? "" : `<path class="front" d="${steps}"/>`,
    ...drawn,
    ...labels,
    "</svg>",
  ].join("\n");
}

/** What the series of some plots are called, as HTML. @param front what the dashed line is; null: there is none */
export function scatterLegend(all: readonly ScatterSeries[], front: string | null): string {
  const seen = new Map(all.map((series) => [series.name, series]));
  const item = (path: string, name: string) =>
    `<span><svg viewBox="0 0 18 18" aria-hidden="true">${path}</svg>${escapeXml(name)}</span>`;
  const items = [...seen.values()].map((series) =>
    item(series.isDotless ? linePath(series) : markerPath(series, 9, 9), series.name),
  );
  if (front !== null) items.push(item('<path class="front" d="M0 9H18"/>', front));
  return `<div class="legend">${items.join("\n")}</div>`;
}

/** The points that no other is as far left of and as high as, by x. */
export function paretoFront<T extends { readonly x: number; readonly y: number }>(points: readonly T[]): T[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || b.y - a.y);
  let best = Number.NEGATIVE_INFINITY;
  return sorted.filter(({ y }) => {
    if (y <= best) return false;
    best = y;
    return true;
  });
}
