/** Measurements as tables for the terminal. */
import { formatShape } from "../graph/shape.ts";
import type { OperatorSummary } from "../report/summary.ts";
import { type Column, formatCount, formatOptional, formatPercent, formatTable } from "../report/table.ts";
import type { CeilingResult } from "./ceilings.ts";
import type { Comparison } from "./compare.ts";
import type { CallOverhead, KernelResult } from "./kernels.ts";
import type { ModelResult } from "./models.ts";
import type { PeerResult } from "./peers.ts";

const left = (title: string): Column => ({ title });
const right = (title: string): Column => ({ title, align: "right" });

function formatFixed(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

function formatDeviation(row: { microseconds: number | null; deviation_microseconds: number | null }) {
  return row.microseconds === null ? "-" : formatPercent(row.deviation_microseconds! / row.microseconds);
}

function formatMicroseconds(value: number | null): string {
  return formatFixed(value, value !== null && value < 10 ? 2 : 1);
}

/** Whole models, a line for each and its engine. */
export function formatModels(rows: readonly ModelResult[]): string {
  const hasExits = rows.some(({ exit }) => exit !== null);
  const columns = [
    left("model"),
    right("MACs"),
    left("engine"),
    right("median µs"),
    right("±"),
    right("GMAC/s"),
    ...(hasExits ? [right("time/MACs saved")] : []),
    right("load ms"),
    right("first"),
    right("heap bytes"),
    right("arena"),
    right("image"),
  ];
  const cells = rows.map((row) => [
    row.exit === null ? row.model : `${row.model}, exit ${row.exit}`,
    formatOptional(row.macs),
    row.engine,
    formatFixed(row.microseconds, 1),
    formatDeviation(row),
    formatFixed(row.gmacs_per_second, 2),
    ...(hasExits ? [formatFixed(row.saving_ratio, 2)] : []),
    formatFixed(row.load_milliseconds, 1),
    formatFixed(row.first_load_milliseconds, 1),
    formatCount(row.heap_bytes),
    formatCount(row.arena_bytes),
    formatCount(row.image_bytes),
  ]);
  return formatTable(columns, cells);
}

/** One table a model: a line for each operator, columns for each engine. */
export function formatProfile(
  name: string,
  operators: readonly OperatorSummary[],
  measured: readonly ModelResult[],
): string {
  const columns = [
    right("#"),
    left("operator"),
    left("output"),
    right("MACs"),
    ...measured.flatMap(({ engine }) => [right(`${engine} µs`), right("share"), right("GMAC/s")]),
  ];
  const sums = measured.map((row) => row.operators!.reduce((sum, { microseconds }) => sum + microseconds, 0));
  const cells = operators.map(({ index, name, shape, macs }) => [
    `${index}`,
    name,
    formatShape(shape),
    formatOptional(macs),
    ...measured.flatMap((row, m) => {
      const { microseconds } = row.operators![index]!;
      const speed = macs && microseconds > 0 ? macs / microseconds / 1000 : null;
      return [formatFixed(microseconds, 1), formatPercent(microseconds / sums[m]!), formatFixed(speed, 2)];
    }),
  ]);
  return `${name}, by operator\n\n${formatTable(columns, cells)}`;
}

/** Every runtime on every model, then the ratios alone, by model and peer. */
export function formatPeers(results: readonly PeerResult[]): string {
  const columns = [
    left("model"),
    left("runtime"),
    right("median µs"),
    right("±"),
    right("by thumbnet"),
    right("equal outputs"),
    left("to"),
    right("gzipped bytes"),
  ];
  const cells = results.map((row) => [
    row.model,
    row.runtime,
    formatFixed(row.microseconds, 1),
    formatDeviation(row),
    formatRatio(row.ratio, row),
    row.equal_outputs === null ? "-" : `${row.equal_outputs} of ${row.inputs}`,
    row.compared_with,
    row.kind === "native" ? "native" : formatOptional(row.gzipped_bytes),
  ]);
  const problems = results.flatMap(({ model, runtime, problem }) =>
    problem === null ? [] : [`${runtime} cannot run ${model}: ${problem}`],
  );
  return [formatTable(columns, cells), formatRatios(results), ...problems].join("\n\n");
}

/** The fastest peer in WebAssembly stands out. */
function formatRatio(ratio: number | null, { is_best }: PeerResult): string {
  return `${is_best ? "* " : ""}${formatFixed(ratio, 2)}`;
}

function formatRatios(results: readonly PeerResult[]): string {
  const isPeer = ({ kind }: PeerResult) => kind === "WebAssembly" || kind === "native";
  const runtimes = [...new Set(results.filter(isPeer).map(({ runtime }) => runtime))];
  const columns = [
    left("peer / thumbnet (* best in WebAssembly)"),
    right("thumbnet µs"),
    ...runtimes.map(right),
  ];
  const cells = results
    .filter((row) => !isPeer(row))
    .map((own) => {
      const isKept = own.kind === "thumbnet kept";
      const ratios = runtimes.map((runtime) => {
        const row = results.find((peer) => peer.model === own.model && peer.runtime === runtime);
        return row ? formatRatio(isKept ? row.kept_ratio : row.ratio, row) : "-";
      });
      const name = isKept ? `${own.model}, constant channels kept` : own.model;
      return [name, formatFixed(own.microseconds, 1), ...ratios];
    });
  return formatTable(columns, cells);
}

/** What the machine does with the arithmetic alone. */
export function formatCeilings(ceilings: readonly CeilingResult[]): string {
  const cells = ceilings.map((row) => [
    row.name,
    `${row.giga_per_second.toFixed(2)} ${row.unit === "MAC" ? "GMAC/s" : "Gelem/s"}`,
    formatDeviation(row),
  ]);
  return formatTable([left("ceiling"), right("speed"), right("±")], cells);
}

/** Kernels one by one, a line for each case. */
export function formatKernels(rows: readonly KernelResult[], overhead: CallOverhead): string {
  const columns = [
    left("kernel"),
    right("MACs"),
    right("µs"),
    right("±"),
    right("GMAC/s"),
    right("of ceiling"),
    right("requantised"),
    right("Gelem/s"),
    right("float"),
    right("speed"),
    left("by that of"),
  ];
  const share = (value: number | null) => (value === null ? "-" : formatPercent(value));
  const cells = rows.map((row) => [
    row.key,
    formatCount(row.macs),
    formatMicroseconds(row.microseconds),
    formatDeviation(row),
    formatFixed(row.gmacs_per_second, 2),
    share(row.ceiling_share),
    share(row.requantized_ceiling_share),
    formatFixed(row.gelements_per_second, 2),
    formatFloatShare(row),
    row.speed_by_beside === null ? "" : `${row.speed_by_beside.toFixed(2)}x`,
    row.beside ?? "",
  ]);
  const calls =
    `A call without work takes ${overhead.run.toFixed(1)} ns (the runtime's run, from JavaScript) or ` +
    `${overhead.model_run.toFixed(0)} ns (Model.run);\nin the times above it is ${overhead.repeated_run.toFixed(1)} ns.`;
  return `${formatTable(columns, cells)}\n\n${calls}`;
}

/** The share of channels that one float32 product and sum requantises exactly. */
function formatFloatShare({ requantization }: KernelResult): string {
  const channels = Object.values(requantization).reduce((sum, count) => sum + count, 0);
  return channels === 0 ? "-" : formatPercent(requantization.float / channels);
}

/** New times beside old ones. */
export function formatComparison({ drift, same_machine, rows, missing, added }: Comparison): string {
  const columns = [
    left("row"),
    right("old µs"),
    right("new µs"),
    right("new / old"),
    right("less drift"),
    right("noise"),
    left(""),
  ];
  const cells = rows.map((row) => [
    row.key,
    formatMicroseconds(row.old_microseconds),
    formatMicroseconds(row.new_microseconds),
    row.ratio.toFixed(3),
    row.corrected_ratio.toFixed(3),
    `± ${formatPercent(row.band)}`,
    row.verdict === "same" ? "" : row.verdict.toUpperCase(),
  ]);
  const changed = (verdict: string) => rows.filter((row) => row.verdict === verdict).length;
  const lines = [
    formatTable(columns, cells),
    `${changed("faster")} faster, ${changed("slower")} slower, ${changed("same")} within the noise. ` +
      `The ceilings, whose code is the same, take ${drift.toFixed(3)} times as long as then.`,
  ];
  if (!same_machine) lines.push("The stored times are from another machine or version of Node.");
  if (missing.length > 0) lines.push(`Only stored: ${missing.join("; ")}.`);
  if (added.length > 0) lines.push(`Only measured: ${added.join("; ")}.`);
  return lines.join("\n\n");
}
