import { basename } from "node:path";
import { Command } from "commander";
import { checkTarget, readWhole, writeWhole } from "../data/files.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { readImage } from "../plan/image.ts";
import { slicingBytes } from "../plan/search.ts";
import { bufferLabel, formatArenaMap } from "../report/arena-map.ts";
import { exitCosts, formatThresholds } from "../report/exits.ts";
import { memoryPlot } from "../report/memory-plot.ts";
import {
  foldedSummary,
  type ModelSummary,
  type ModeSummary,
  type OperatorSummary,
  type PortSummary,
  summarize,
  summarizeModes,
  totalCost,
} from "../report/summary.ts";
import {
  type Column,
  formatCount,
  formatFloat,
  formatOptional,
  formatPercent,
  formatTable,
  shorten,
} from "../report/table.ts";
import { exitInfos } from "../runtime/exits.ts";
import {
  clockOption,
  jsonOption,
  milliseconds,
  optimizeOption,
  type PlanOptions,
  print,
  printJson,
} from "./common.ts";

interface InspectOptions extends PlanOptions {
  readonly clock: number;
  readonly json?: boolean;
  readonly plot?: string;
  readonly image?: string;
}

const RIGHT = { align: "right" } as const;

function formatPorts({ inputs, outputs }: ModelSummary): string {
  const row = (role: string) => (port: PortSummary) => [
    role,
    shorten(port.name, 40),
    formatShape(port.shape),
    port.dtype,
    port.scale === null ? "-" : formatFloat(port.scale),
    port.zeroPoint === null ? "-" : `${port.zeroPoint}`,
  ];
  const columns = ["", "name", "shape", "type", "scale", "zero point"].map((title) => ({ title }));
  return formatTable(columns, [...inputs.map(row("input")), ...outputs.map(row("output"))]);
}

/** A column of the operators' table; `total` is shown below it. */
interface OperatorColumn extends Column {
  readonly cell: (op: OperatorSummary) => string;
  readonly total?: string;
}

/** Without the columns of which nothing is known: an image has no costs, what cannot run no kernels. */
function formatOperators({ operators }: ModelSummary): string {
  const all: OperatorColumn[] = [
    { title: "#", ...RIGHT, cell: ({ index }) => `${index}` },
    { title: "operator", cell: ({ name }) => name, total: "total" },
    { title: "output", cell: ({ shape }) => formatShape(shape) },
    {
      title: "MACs",
      ...RIGHT,
      cell: ({ macs }) => formatOptional(macs),
      total: formatOptional(totalCost(operators, "macs")),
    },
    {
      title: "parameters",
      ...RIGHT,
      cell: ({ parameters }) => formatOptional(parameters),
      total: formatOptional(totalCost(operators, "parameters")),
    },
    { title: "live bytes", ...RIGHT, cell: ({ liveBytes }) => formatOptional(liveBytes) },
    {
      title: "chip cycles",
      ...RIGHT,
      cell: ({ cycles }) => formatOptional(cycles),
      total: formatOptional(totalCost(operators, "cycles")),
    },
    {
      title: "kernel",
      cell: ({ kernels }) => (kernels === null ? "-" : kernels.join(", ") || "(no work)"),
    },
  ];
  const columns = all.filter(({ cell }) => operators.some((op) => cell(op) !== "-"));
  const rows = operators.map((op) => columns.map(({ cell }) => cell(op)));
  const isCosted = columns.some(({ total }) => total !== undefined && total !== "-" && total !== "total");
  return formatTable(columns, isCosted ? [...rows, columns.map((column) => column.total ?? "")] : rows);
}

/** Early exits, and what an input costs that ends at each. */
function formatExits({ image, operators }: ModelSummary): string {
  const read = image && readImage(image);
  if (!read || read.exits.length === 0) return "";
  const infos = exitInfos(read);
  const costs = exitCosts(read, operators);
  const columns = [
    { title: "exit" },
    { title: "output" },
    { title: "criterion" },
    ...["threshold", "operators", "MACs", "share", "chip cycles", "live bytes"].map((title) => ({
      title,
      ...RIGHT,
    })),
  ];
  const whole = costs.at(-1)!.macs;
  const rows = costs.map((cost, i) => [
    infos[i] ? `${i}` : "final",
    shorten(cost.name, 40),
    infos[i]?.criterion ?? "",
    infos[i] ? formatThresholds(infos[i].thresholds) : "",
    formatCount(cost.operators),
    formatOptional(cost.macs),
    cost.macs !== null && whole ? formatPercent(cost.macs / whole) : "-",
    formatOptional(cost.cycles),
    formatOptional(cost.liveBytes),
  ]);
  return `${formatTable(columns, rows)}\nOf an input that ends there: all that runs up to it, and the most RAM of the arena in use.`;
}

/** What the model takes on the chip, a line for each aim. */
function formatModes(modes: readonly ModeSummary[], clock: number): string {
  const columns = [
    { title: "on the chip" },
    ...["cycles", `ms at ${clock} MHz`, "flash", "code", "image", "RAM", "arena", "scratch", "stack"].map(
      (title) => ({ title, ...RIGHT }),
    ),
  ];
  const rows = modes.map(({ optimize, chip: { cycles, memory, stack, ram, flash } }) => [
    optimize ? `--optimize ${optimize}` : "this image",
    formatCount(cycles),
    milliseconds(cycles, clock).toPrecision(4),
    ...[flash, memory.code, memory.image, ram, memory.arena, memory.scratch, stack].map(formatCount),
  ]);
  const remark =
    "Predicted for a Cortex-M0+ without wait states, in bytes and cycles; thumbnet emulate measures.";
  return `${formatTable(columns, rows)}\n${remark}`;
}

function formatMemory({ plan, arenaBytes, image }: ModelSummary): string {
  if (arenaBytes === null || image === null) return "";
  const lines = [
    `image  ${formatCount(image.length)} bytes: weights, tables and plan, flash on the chip`,
    `arena  ${formatCount(arenaBytes)} bytes: activations, RAM on the chip`,
  ];
  if (plan) {
    const folded = foldedSummary(plan);
    if (folded) {
      lines.unshift(
        `folded ${formatCount(folded.channels)} channels that are always constant: ${formatCount(folded.macs)} MACs and ${formatCount(folded.parameters)} parameters are left`,
      );
    }
    const peak = plan.operators[plan.peakOperator];
    if (peak) lines.push(`       set by operator ${plan.peakOperator} (${peak.operator.kind})`);
    for (const { first, last, rows, slices } of plan.chains) {
      lines.push(
        `       operators ${first} to ${last} run in ${slices} slices of ${rows} rows: what is between them never exists whole`,
      );
    }
    if (plan.chains.length > 0)
      lines.push(`       slices take ${formatCount(slicingBytes(plan.chains))} bytes of the image`);
    lines.push(`       bound ${formatCount(plan.arenaBound)} bytes: no plan in this order needs less`);
    lines.push("", "arena over time", "", formatArenaMap(plan));
  }
  return lines.join("\n");
}

function formatSummary(
  path: string,
  size: number,
  summary: ModelSummary,
  modes: readonly ModeSummary[],
  clock: number,
): string {
  const format = summary.format === "image" ? "thumbnet image" : "TensorFlow Lite";
  const title = `${basename(path)}: ${format}, ${formatCount(size)} bytes`;
  const chip = modes.length > 0 ? formatModes(modes, clock) : "";
  const exits = formatExits(summary);
  const parts = [title, formatPorts(summary), formatOperators(summary), exits, chip, formatMemory(summary)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function jsonModes(modes: readonly ModeSummary[], clock: number) {
  return modes.map(({ optimize, chip: { cycles, memory, stack, ram, flash } }) => ({
    optimize,
    cycles,
    milliseconds: milliseconds(cycles, clock),
    ram: { arena: memory.arena, scratch: memory.scratch, stack, static: memory.static, sum: ram },
    flash: { code: memory.code, image: memory.image, sum: flash },
  }));
}

function jsonExits({ image, operators }: ModelSummary) {
  const read = image && readImage(image);
  if (!read || read.exits.length === 0) return [];
  const costs = exitCosts(read, operators);
  return exitInfos(read).map(({ output, criterion, thresholds }, i) => {
    const { liveBytes, ...cost } = costs[i]!;
    return { ...cost, output, criterion, thresholds, live_bytes: liveBytes };
  });
}

function jsonSummary(
  path: string,
  size: number,
  summary: ModelSummary,
  modes: readonly ModeSummary[],
  clock: number,
) {
  const { plan, arenaBytes, image, problem } = summary;
  const port = ({ zeroPoint, ...rest }: PortSummary) => ({ ...rest, zero_point: zeroPoint });
  return {
    model: basename(path),
    format: summary.format,
    bytes: size,
    runs: problem === null,
    problem: problem?.message ?? null,
    inputs: summary.inputs.map(port),
    outputs: summary.outputs.map(port),
    operators: summary.operators.map(({ liveBytes, ...rest }) => ({ ...rest, live_bytes: liveBytes })),
    exits: jsonExits(summary),
    macs: totalCost(summary.operators, "macs"),
    parameters: totalCost(summary.operators, "parameters"),
    folded: plan && foldedSummary(plan),
    chip: modes.length > 0 ? { mhz: clock, modes: jsonModes(modes, clock) } : null,
    image_bytes: image?.length ?? null,
    arena_bytes: arenaBytes,
    arena: plan && {
      bytes: plan.arenaBytes,
      bound: plan.arenaBound,
      peak_operator: plan.peakOperator,
      chains: plan.chains.map(({ first, last, rows, slices, movedBytes }) => {
        return { first, last, rows, slices, moved_bytes: movedBytes };
      }),
      buffers: plan.buffers.map((buffer) => ({ ...buffer, written_by: bufferLabel(plan, buffer) })),
    },
  };
}

async function inspect(path: string, options: InspectOptions): Promise<void> {
  for (const target of [options.plot, options.image]) if (target !== undefined) await checkTarget(target);
  const bytes = await readWhole(path);
  const summary = summarize(bytes, basename(path), options.optimize);
  if (summary.format === "image" && (options.plot !== undefined || options.image !== undefined)) {
    throw new ThumbnetError(
      `${path}: is a thumbnet image; --plot and --image need the .tflite that it was made from`,
    );
  }
  const { clock } = options;
  const modes = summary.problem ? [] : summarizeModes(bytes, basename(path));
  if (options.json) printJson(jsonSummary(path, bytes.length, summary, modes, clock));
  else print(formatSummary(path, bytes.length, summary, modes, clock));
  if (summary.problem) throw summary.problem;
  if (options.plot !== undefined) await writeWhole(options.plot, memoryPlot(summary.plan!));
  if (options.image !== undefined) await writeWhole(options.image, summary.image!);
}

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("Shows a model's operators, cost and memory, and everything about it that is not supported.")
    .argument("<model>", ".tflite file or thumbnet image")
    .option("--plot <file>", "write the memory map as an SVG picture")
    .option("--image <file>", "write the compiled image, which loads without the .tflite")
    .addOption(clockOption())
    .addOption(optimizeOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Chip cycles are predicted by a model that is fitted to the emulated chip, within 5 % of what thumbnet emulate
counts; the operators' are of the plan for --optimize. Flash is code and image, RAM is arena, scratch, stack and
variables; the stack is about the most that its kernels take.
` + "\nThe exit code is 1 when the model cannot run in int8; its structure is shown all the same.",
    )
    .action(inspect);
}
