import type { ArenaBuffer, Plan } from "../plan/plan.ts";
import { formatCount, formatTable, printable, shorten } from "./table.ts";

const SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Lines that the map aims at, and characters of a line that hold operators. */
const LINES = 18;
const CHARACTERS = 90;
/** More address ranges than this are merged, the smallest first. */
const MAX_RANGES = 40;

/** The letter of a buffer in maps; they come round again where there are very many. */
export function bufferSymbol(index: number): string {
  return SYMBOLS[index % SYMBOLS.length]!;
}

/** What makes a buffer's content: `input "x"`, `3 CONV_2D`, `9 ADD, 10 RELU` where operators share it. */
export function bufferLabel(plan: Plan, buffer: ArenaBuffer): string {
  const { graph } = plan;
  const makers = buffer.tensors.map((tensor) => {
    const operator = graph.operators.findIndex(({ outputs }) => outputs.includes(tensor));
    return operator < 0
      ? `input "${graph.tensors[tensor]!.name}"`
      : `${operator} ${graph.operators[operator]!.kind}`;
  });
  return makers.join(", ");
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The address ranges between all boundaries of buffers, lowest first. */
function addressRanges(plan: Plan): Range[] {
  const ends = plan.buffers.flatMap(({ offset, bytes }) => [offset, offset + bytes]);
  const bounds = [...new Set([0, plan.arenaBytes, ...ends])].sort((a, b) => a - b);
  const ranges = bounds.slice(1).map((to, i) => ({ from: bounds[i]!, to }));
  while (ranges.length > MAX_RANGES) {
    const sizes = ranges.map(({ from, to }) => to - from);
    const smallest = sizes.indexOf(Math.min(...sizes));
    const at = smallest === 0 || sizes[smallest + 1]! < sizes[smallest - 1]! ? smallest : smallest - 1;
    ranges.splice(at, 2, { from: ranges[at]!.from, to: ranges[at + 1]!.to });
  }
  return ranges;
}

/** The symbol of the buffer that has most of a range at a step; a dot where none has any. */
function cell(plan: Plan, { from, to }: Range, step: number): string {
  let most = 0;
  let symbol = ".";
  plan.buffers.forEach(({ offset, bytes, first, last }, i) => {
    const overlap = Math.min(to, offset + bytes) - Math.max(from, offset);
    // Where an output lies on its input, the output is shown.
    if (first <= step && step <= last && overlap > 0 && overlap >= most)
      [most, symbol] = [overlap, bufferSymbol(i)];
  });
  return symbol;
}

/** Operator indices as columns, one line for each decimal digit. */
function heading(steps: readonly number[], width: number, last: number): string[] {
  const digits = `${last}`.length;
  return Array.from({ length: digits }, (_, d) =>
    steps.map((step) => `${step}`.padStart(digits)[d]!.padStart(width)).join(""),
  );
}

/**
 * The arena over time: a column for each operator, address ranges from top to bottom, the highest first. The
 * ranges lie between the boundaries of buffers; large ones take several lines.
 */
export function formatArenaMap(plan: Plan): string {
  const steps = plan.operators.map((_, i) => i);
  const ranges = addressRanges(plan).reverse();
  if (ranges.length === 0 || steps.length === 0) return "(the arena is empty)";
  const width = Math.max(1, Math.min(3, Math.floor(CHARACTERS / steps.length)));
  const addresses = ranges.map(({ from, to }) => `${formatCount(from)} .. ${formatCount(to - 1)}`);
  const margin = Math.max(...addresses.map((text) => text.length), "operator".length);
  const lines: string[] = [];
  for (let start = 0; start < steps.length; start += CHARACTERS) {
    const shown = steps.slice(start, start + CHARACTERS);
    heading(shown, width, steps.length - 1).forEach((line, i) => {
      lines.push(`${(i === 0 ? "operator" : "").padStart(margin)}  ${line}`);
    });
    ranges.forEach((range, r) => {
      const height = Math.max(1, Math.round((LINES * (range.to - range.from)) / plan.arenaBytes));
      const line = shown.map((step) => cell(plan, range, step).repeat(width)).join("");
      for (let i = 0; i < height; i++)
        lines.push(`${(i === 0 ? addresses[r]! : "").padStart(margin)}  ${line}`);
    });
    lines.push("");
  }
  return `${lines.join("\n")}\n${formatLegend(plan)}`;
}

function formatLegend(plan: Plan): string {
  const rows = plan.buffers.map((buffer, i) => [
    bufferSymbol(i),
    formatCount(buffer.offset),
    formatCount(buffer.bytes),
    `${buffer.first} - ${buffer.last}`,
    buffer.over.map(bufferSymbol).join(", "),
    shorten(printable(bufferLabel(plan, buffer)), 70),
  ]);
  const right = { align: "right" } as const;
  const columns = [
    { title: "" },
    { title: "offset", ...right },
    { title: "bytes", ...right },
    { title: "alive" },
    { title: "in place of" },
    { title: "written by" },
  ];
  return formatTable(columns, rows);
}
