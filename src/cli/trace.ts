import { basename } from "node:path";
import { Command } from "commander";
import { openInputs } from "../data/inputs.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { crc32, formatCrc } from "../plan/crc32.ts";
import { formatCount, formatTable, printable } from "../report/table.ts";
import type { TraceExit } from "../runtime/exits.ts";
import {
  engineOption,
  frontEndOption,
  INPUT_HELP,
  type InputOptions,
  inputReading,
  inputTypeOption,
  jsonOption,
  openModel,
  optimizeOption,
  type PlanOptions,
  parseWhole,
  print,
  printJson,
  storedBytes,
} from "./common.ts";

interface TraceOptions extends InputOptions, PlanOptions {
  readonly index: number;
}

/** `0: 0.9258, a run ends here` */
function describeExit(exit: TraceExit | null): string {
  if (!exit) return "";
  return `${exit.index}: ${exit.confidence.toFixed(4)}, ${exit.answers ? "a run ends here" : "goes on"}`;
}

async function trace(path: string, paths: readonly string[], options: TraceOptions): Promise<void> {
  const model = await openModel(path, options);
  const inputs = await openInputs(paths, model.inputs, options);
  if (options.index >= inputs.count) {
    const found = inputs.count === 1 ? "there is 1 input" : `there are ${inputs.count} inputs`;
    throw new ThumbnetError(`--index ${options.index}: ${found}, counted from 0`);
  }
  const reading = inputReading(model, inputs, options);
  const name = inputs.name(options.index);
  const data = await inputs.read(options.index);
  const inputCrc = formatCrc(data.reduce((crc, values) => crc32(storedBytes(values), crc), 0));
  const operators = model
    .trace(data)
    .map(({ index, name: kind, shape, crc32: crc, bytes, isWhole, exit = null }) => {
      return { index, name: kind, shape, bytes: bytes.length, crc32: isWhole ? formatCrc(crc) : null, exit };
    });
  const hasExits = model.exits.length > 0;
  if (options.json) {
    const { engine } = model;
    printJson({
      model: basename(path),
      engine,
      input: name,
      input_crc32: inputCrc,
      inputs: reading,
      operators,
    });
    return;
  }
  const right = { align: "right" } as const;
  const columns = [
    { title: "#", ...right },
    { title: "operator" },
    { title: "output" },
    { title: "bytes", ...right },
    { title: "CRC-32" },
    ...(hasExits ? [{ title: "early exit" }] : []),
  ];
  const rows = operators.map((op) => [
    `${op.index}`,
    op.name,
    formatShape(op.shape),
    formatCount(op.bytes),
    op.crc32 ?? "in slices, never whole",
    ...(hasExits ? [describeExit(op.exit)] : []),
  ]);
  print(
    `${printable(name)}: input CRC-32 ${inputCrc}, engine ${model.engine}\n\n${formatTable(columns, rows)}`,
  );
}

export function traceCommand(): Command {
  return new Command("trace")
    .description("Runs a model on one input and prints the CRC-32 of every operator's output.")
    .argument("<model>", ".tflite file or thumbnet image")
    .argument("<input...>", "raw tensor files, pictures or folders")
    .option("--index <n>", "which of several inputs, counted from 0", parseWhole(0), 0)
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(engineOption())
    .addOption(optimizeOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `${INPUT_HELP}

All operators run, whatever early exits say; what each decides is shown.`,
    )
    .action(trace);
}
