import type { Plan } from "../plan/plan.ts";
import { bufferLabel, bufferSymbol } from "./arena-map.ts";
import { formatCount, shorten } from "./table.ts";
import { escapeXml } from "./xml.ts";

/** Pixels. */
const MARGIN = { left: 84, top: 64, right: 24, bottom: 190 };
const PLOT_HEIGHT = 420;
const PLOT_MIN_WIDTH = 560;
const OPERATOR_WIDTH = 30;
const LEGEND_WIDTH = 400;
const LEGEND_LINE = 16;
/** A buffer of a few bytes must still be seen. */
const MIN_HEIGHT = 2;
/** Width of a character at 11 pixels, about. */
const CHARACTER = 6.4;

function colour(index: number): string {
  // The golden angle keeps neighbours apart.
  return `hsl(${Math.round(index * 137.5) % 360},${index % 2 ? 48 : 62}%,${index % 3 ? 74 : 66}%)`;
}

interface TextOptions {
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: "bold";
  readonly fill?: string;
  readonly turned?: boolean;
}

function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size = 11, anchor = "start", weight, fill = "#222", turned } = options;
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  const turn = turned ? ` transform="rotate(-90 ${x.toFixed(1)} ${y.toFixed(1)})"` : "";
  const bold = weight ? ` font-weight="${weight}"` : "";
  return `<text ${at} font-size="${size}" text-anchor="${anchor}" fill="${fill}"${bold}${turn}>${escapeXml(content)}</text>`;
}

function rectangle(
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: string,
  content = "",
): string {
  const box = [x, y, width, height].map((value) => value.toFixed(2));
  return `<rect x="${box[0]}" y="${box[1]}" width="${box[2]}" height="${box[3]}" ${attributes}>${content}</rect>`;
}

/** A step of 1, 2 or 5 times a power of ten that gives at most eight ticks. */
function tickStep(total: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, total / 8)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => total / step <= 8)!;
}

/** Maps operators and bytes to pixels. */
class Scale {
  readonly plotWidth: number;
  readonly #steps: number;
  readonly #bytes: number;

  constructor(plan: Plan) {
    this.#steps = Math.max(1, plan.operators.length);
    this.#bytes = Math.max(1, plan.arenaBytes);
    this.plotWidth = Math.max(PLOT_MIN_WIDTH, this.#steps * OPERATOR_WIDTH);
  }

  x(step: number): number {
    return MARGIN.left + (step / this.#steps) * this.plotWidth;
  }

  y(bytes: number): number {
    return MARGIN.top + PLOT_HEIGHT * (1 - bytes / this.#bytes);
  }
}

function axes(plan: Plan, scale: Scale): string[] {
  const bottom = scale.y(0);
  const [left, right] = [scale.x(0), scale.x(0) + scale.plotWidth];
  const parts: string[] = [];
  const step = tickStep(plan.arenaBytes);
  for (let bytes = 0; bytes <= plan.arenaBytes; bytes += step) {
    const y = scale.y(bytes);
    parts.push(`<path d="M${left - 5} ${y.toFixed(1)}H${right.toFixed(1)}" stroke="#ddd"/>`);
    parts.push(text(left - 9, y + 4, formatCount(bytes), { anchor: "end" }));
  }
  parts.push(
    text(20, (scale.y(0) + MARGIN.top) / 2, "arena address (bytes)", { anchor: "middle", turned: true }),
  );
  plan.operators.forEach(({ operator }, i) => {
    const weight = i === plan.peakOperator ? ({ weight: "bold" } as const) : {};
    const x = (scale.x(i) + scale.x(i + 1)) / 2 + 4;
    parts.push(text(x, bottom + 8, `${i} ${operator.kind}`, { anchor: "end", turned: true, ...weight }));
  });
  const middle = (left + right) / 2;
  parts.push(
    text(middle, bottom + MARGIN.bottom - 12, "operator (time runs to the right)", { anchor: "middle" }),
  );
  return parts;
}

function buffers(plan: Plan, scale: Scale): string[] {
  const labels: string[] = [];
  const boxes = plan.buffers.map((buffer, i) => {
    const { offset, bytes, first, last } = buffer;
    const [x, width] = [scale.x(first), scale.x(last + 1) - scale.x(first)];
    const height = Math.max(MIN_HEIGHT, scale.y(offset) - scale.y(offset + bytes));
    const y = scale.y(offset) - height;
    const size = `${bufferSymbol(i)} ${formatCount(bytes)} B`;
    const label = width > size.length * CHARACTER ? size : bufferSymbol(i);
    // What is too flat for its label has it above, on a halo.
    const inside = height >= 11;
    const halo = inside ? "" : ' stroke="#fff" stroke-width="3" paint-order="stroke"';
    const at = `x="${(x + width / 2).toFixed(1)}" y="${(inside ? y + height / 2 + 4 : y - 2).toFixed(1)}"`;
    labels.push(`<text ${at} font-size="11" text-anchor="middle" fill="#222"${halo}>${label}</text>`);
    const title = `<title>${escapeXml(`${bufferLabel(plan, buffer)}: ${bytes} bytes at ${offset}, operators ${first} to ${last}`)}</title>`;
    return rectangle(x, y, width, height, `fill="${colour(i)}" stroke="#555" stroke-width="0.7"`, title);
  });
  return [...boxes, ...labels];
}

function legend(plan: Plan, scale: Scale): string[] {
  const left = scale.x(0) + scale.plotWidth + MARGIN.right;
  return plan.buffers.flatMap((buffer, i) => {
    const y = MARGIN.top + i * LEGEND_LINE;
    const label = `${bufferSymbol(i)}  ${formatCount(buffer.bytes)} B at ${formatCount(buffer.offset)}: ${bufferLabel(plan, buffer)}`;
    return [
      rectangle(left, y, 11, 11, `fill="${colour(i)}" stroke="#555" stroke-width="0.7"`),
      text(left + 18, y + 10, shorten(label, 60)),
    ];
  });
}

/**
 * The memory map as an SVG picture: operators from left to right, arena bytes from bottom to top, a rectangle
 * for each buffer over the operators that need it. The operator that needs most is shaded.
 */
export function memoryPlot(plan: Plan): string {
  const scale = new Scale(plan);
  const width = scale.x(0) + scale.plotWidth + MARGIN.right + LEGEND_WIDTH;
  const height = Math.max(
    MARGIN.top + PLOT_HEIGHT + MARGIN.bottom,
    MARGIN.top + plan.buffers.length * LEGEND_LINE + 16,
  );
  const peak = plan.peakOperator;
  const peakName = plan.operators[peak]
    ? `, set by operator ${peak} (${plan.operators[peak].operator.kind})`
    : "";
  const summary = `${formatCount(plan.arenaBytes)} bytes of arena${peakName}; no plan in this order needs less than ${formatCount(plan.arenaBound)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif">`,
    rectangle(0, 0, width, height, 'fill="#fff"'),
    text(16, 26, plan.graph.name, { size: 16, weight: "bold" }),
    text(16, 45, summary, { size: 12 }),
    rectangle(scale.x(peak), MARGIN.top, scale.x(1) - scale.x(0), PLOT_HEIGHT, 'fill="#fff3c4"'),
    ...axes(plan, scale),
    ...buffers(plan, scale),
    ...legend(plan, scale),
    "</svg>",
    "",
  ].join("\n");
}
