import { basename } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { readWhole } from "../data/files.ts";
import { FLASH_BYTES, RAM_BYTES } from "../mcu/chip.ts";
import { checkFolder, writeFolder } from "../mcu/export/folder.ts";
import { exportProject, nameProblem, type Project } from "../mcu/export.ts";
import { imageOf } from "../plan/compile.ts";
import { formatCount, formatPercent, formatTable } from "../report/table.ts";
import { jsonOption, optimizeOption, type PlanOptions, print, printJson } from "./common.ts";

interface ExportOptions extends PlanOptions {
  readonly out: string;
  readonly name: string;
  readonly resident: "flash" | "ram";
  readonly input?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

function parseName(name: string): string {
  const problem = nameProblem(name);
  if (problem) throw new InvalidArgumentError(problem);
  return name;
}

function describe({ files, kernels, figures, memory, resident }: Project, out: string): string {
  const inRam = resident === "ram";
  const row = (what: string, bytes: number) => [what, formatCount(bytes)];
  const of = (where: string, bytes: number, whole: number) => [
    where,
    formatCount(bytes),
    `of ${formatCount(whole)}, ${formatPercent(bytes / whole)}`,
  ];
  const program = [row("image", memory.image), row("sample", memory.sample), row("code", memory.code)];
  const data = [
    row("arena", memory.arena),
    row("scratch", memory.scratch),
    row("other variables", memory.static),
    row("kept for the stack", memory.stackReserve),
  ];
  const ram = of("RAM", memory.ram, RAM_BYTES);
  const rows = inRam
    ? [...program, ...data, ram]
    : [...program, of("flash", memory.flash, FLASH_BYTES), ...data, ram];
  const columns = [
    { title: "" },
    { title: "bytes", align: "right" } as const,
    { title: "Raspberry Pi Pico" },
  ];
  const source = figures.isBuilt
    ? `measured with ${figures.compiler}; the stack takes ${formatCount(figures.stack)} bytes at most`
    : `added up from objects of ${figures.compiler}: here is no Arm compiler (Debian, Ubuntu: gcc-arm-none-eabi)`;
  return [
    `${out}: ${files.size} files; kernels ${kernels.join(", ") || "(none)"}`,
    formatTable(columns, rows),
    source,
    `make -C ${out} host builds and runs it here, make -C ${out} pico for the board; more in ${out}/README.md`,
  ].join("\n\n");
}

async function exportModel(path: string, options: ExportOptions): Promise<void> {
  const { out, name, resident, input, force = false } = options;
  await checkFolder(out, force);
  const modelFile = basename(path);
  const bytes = await readWhole(path);
  const image = imageOf(bytes, modelFile, { optimize: options.optimize });
  const sample = input === undefined ? {} : { sample: { name: input, bytes: await readWhole(input) } };
  const project = exportProject(image, { modelFile, name, resident, ...sample });
  await writeFolder(out, project.files, force);
  if (!options.json) {
    print(describe(project, out));
    return;
  }
  const { files, kernels, figures, memory } = project;
  printJson({
    model: modelFile,
    out,
    name,
    resident,
    kernels,
    files: [...files.keys()].sort(),
    flash_bytes: memory.flash,
    ram_bytes: memory.ram,
    memory: {
      image: memory.image,
      sample: memory.sample,
      code: memory.code,
      arena: memory.arena,
      scratch: memory.scratch,
      static: memory.static,
      stack_reserve: memory.stackReserve,
    },
    figures: {
      from: figures.isBuilt ? "build" : "prebuilt",
      compiler: figures.compiler,
      stack_bound: figures.isBuilt ? figures.stack : null,
      parts: figures.parts,
    },
  });
}

export function exportCommand(): Command {
  return new Command("export")
    .description("Writes a model as a project in C that builds for a Raspberry Pi Pico and for this machine.")
    .argument("<model>", ".tflite file or thumbnet image")
    .requiredOption("--out <dir>", "folder to write; must not exist or be empty")
    .addOption(
      new Option("--name <name>", "name of the model's C files and prefix of its functions")
        .default("model")
        .argParser(parseName),
    )
    .addOption(
      new Option("--resident <where>", "where the program lies on the chip")
        .choices(["flash", "ram"])
        .default("flash"),
    )
    .option("--input <file>", "raw input of one run for the example, as the chip takes it; default: zeros")
    .option("--force", "replace an earlier export, with all that has been changed or added in it")
    .addOption(optimizeOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
The folder holds the model, the kernels that it needs and no others, an example that logs every operator over the
serial port, a Makefile, and a README with the bytes of flash and RAM. A model that is too large for the chip is
refused before anything is written. A model of several inputs takes them one after the other in --input.`,
    )
    .action(exportModel);
}
