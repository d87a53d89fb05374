import { basename } from "node:path";
import { Command, Option } from "commander";
import { readWhole } from "../data/files.ts";
import { type ModelInputs, openInputs } from "../data/inputs.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { hostCompiler } from "../mcu/host.ts";
import { emulatedChip, hostC, type Implementation, type Step, webAssembly } from "../mcu/implementations.ts";
import { type LoggedRun, parseLog } from "../mcu/log.ts";
import { checkLog, type Verdict, Verification } from "../mcu/verify.ts";
import { type Image, readImage } from "../plan/image.ts";
import { Progress } from "../report/progress.ts";
import { formatTable, printable } from "../report/table.ts";
import { type InputData, tensorInfo } from "../runtime/tensors.ts";
import {
  frontEndOption,
  INPUT_HELP,
  type InputOptions,
  imageOf,
  inputReading,
  inputTypeOption,
  jsonOption,
  note,
  optimizeOption,
  type PlanOptions,
  print,
  printJson,
} from "./common.ts";

const IMPLEMENTATIONS = ["scalar", "simd", "host", "chip"] as const;

interface VerifyOptions extends InputOptions, PlanOptions {
  readonly on?: string[];
  readonly firmware?: string;
  readonly log?: string;
  readonly golden?: string;
}

/** Something that was compared, and what is wrong with it; null when nothing is. */
interface Finding {
  readonly name: string;
  readonly inputs: number;
  readonly problem: string | null;
  readonly verdict?: Verdict;
}

/** The first is what the others are compared with: the plain scalar kernels. */
function implementations({ on, firmware }: VerifyOptions): Implementation[] {
  const isWanted = (name: (typeof IMPLEMENTATIONS)[number]) => on?.includes(name) ?? true;
  const all = [webAssembly("scalar")];
  if (isWanted("simd")) all.push(webAssembly("simd"));
  if (isWanted("host")) {
    const isAsked = on !== undefined || firmware !== undefined;
    if (hostCompiler() || isAsked) all.push(hostC(firmware === undefined ? {} : { firmware }));
    else note("left out: C on the host (no C compiler: install gcc or clang)");
  }
  if (isWanted("chip")) all.push(emulatedChip());
  return all;
}

/** Compares the outputs of one input with their place in the golden bytes. */
class Golden {
  readonly #bytes: Uint8Array;
  /** Bytes of all outputs of one input. */
  readonly #each: number;
  problem: string | null = null;

  constructor(path: string, bytes: Uint8Array, image: Image, count: number) {
    this.#bytes = bytes;
    this.#each = image.outputs.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
    if (bytes.length !== this.#each * count) {
      throw new ThumbnetError(
        `${path}: holds ${bytes.length} bytes, ${count} inputs give ${this.#each * count} (${this.#each} each)`,
      );
    }
  }

  check(image: Image, steps: readonly Step[], index: number): void {
    const expected = this.#bytes.subarray(index * this.#each, (index + 1) * this.#each);
    const made = Buffer.concat(image.outputs.map((_, o) => outputOf(image, steps, o)));
    const byte = made.findIndex((value, i) => value !== expected[i]);
    if (byte < 0) return;
    const [found, wanted] = [made[byte]!, expected[byte]!].map((value) => (value << 24) >> 24);
    this.problem ??= `input ${index}, output byte ${byte}: ${found}, the golden file has ${wanted}`;
  }
}

/** The bytes of output `index` after the last operator. */
function outputOf(image: Image, steps: readonly Step[], index: number): Uint8Array {
  const { space, offset, bytes } = image.outputs[index]!.tensor;
  const memory = space === "image" ? image.bytes : steps.at(-1)!.arena;
  return memory.subarray(offset, offset + bytes);
}

function describeVerdict({ difference }: Verdict): string | null {
  if (!difference) return null;
  const { input, operator, name, shape, coordinates, element, expected, found, wrong, elements, cause } =
    difference;
  const where =
    coordinates.length > 0
      ? `element ${element} at ${formatShape(coordinates)}: ${found}, expected ${expected}`
      : `byte ${element}`;
  return `input ${input}, operator ${operator} ${name} ${formatShape(shape)}, ${where} (${wrong} of ${elements} differ)\n    likely cause: ${cause}`;
}

/** A log of one run is of the first input; one of several, of the first several. */
function checkRun(
  runs: readonly LoggedRun[],
  index: number,
  image: Image,
  data: readonly InputData[],
  steps: Step[],
  path: string,
) {
  const run = runs[index];
  return run ? checkLog(run, image, data, steps, `${path}, run ${index}`) : null;
}

async function compare(image: Image, inputs: ModelInputs, options: VerifyOptions): Promise<Finding[]> {
  const runs = options.log
    ? parseLog(Buffer.from(await readWhole(options.log)).toString("latin1"), options.log)
    : [];
  if (runs.length > inputs.count) {
    throw new ThumbnetError(`${options.log}: holds ${runs.length} runs, ${inputs.count} inputs were given`);
  }
  const golden = options.golden
    ? new Golden(options.golden, await readWhole(options.golden), image, inputs.count)
    : null;
  // With a log or a golden file that is what is in question: other implementations only when asked for.
  const isAlone = (options.log || golden) && !options.on && !options.firmware;
  const verification = new Verification(image, isAlone ? [webAssembly("scalar")] : implementations(options));
  const count = isAlone && !golden ? runs.length : inputs.count;
  const progress = new Progress("verify", count);
  let logProblem: string | null = null;
  let stop = false;
  const onInterrupt = () => {
    stop = true;
  };
  process.once("SIGINT", onInterrupt);
  try {
    for (let index = 0; index < count && !stop; index++) {
      const data = await inputs.read(index);
      const steps = await verification.add(data, index);
      golden?.check(image, steps, index);
      if (options.log) logProblem ??= checkRun(runs, index, image, data, steps, options.log);
      progress.step();
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    progress.end();
  }
  const findings: Finding[] = verification.verdicts.map((verdict) => ({
    name: verdict.name,
    inputs: verdict.inputs,
    problem: describeVerdict(verdict),
    verdict,
  }));
  const done = findings[0]!.inputs;
  if (options.log) findings.push({ name: `log ${options.log}`, inputs: runs.length, problem: logProblem });
  if (golden) findings.push({ name: `golden ${options.golden}`, inputs: done, problem: golden.problem });
  if (done < count) note(`stopped after ${done} of ${count} inputs`);
  return findings;
}

async function verify(path: string, paths: readonly string[], options: VerifyOptions): Promise<void> {
  const bytes = await readWhole(path);
  const name = basename(path);
  const image = readImage(imageOf(bytes, name, options), name);
  const infos = image.inputs.map((port) => tensorInfo(port.name, port.tensor));
  const inputs = await openInputs(paths, infos, options);
  const reading = inputReading({ inputs: infos }, inputs, options);
  const findings = await compare(image, inputs, options);
  const isEqual = findings.every(({ problem }) => problem === null);
  if (!isEqual) process.exitCode = 1;
  if (options.json) {
    const compared = findings.map(({ name, inputs, problem, verdict }) => {
      return { name, inputs, equal: problem === null, problem, difference: verdict?.difference ?? null };
    });
    printJson({ model: name, equal: isEqual, operators: image.operators.length, inputs: reading, compared });
    return;
  }
  const columns = [
    { title: "compared" },
    { title: "inputs", align: "right" } as const,
    { title: "operators", align: "right" } as const,
    { title: "result" },
  ];
  const rows = findings.map(({ name, inputs, problem }, i) => [
    name,
    `${inputs}`,
    `${inputs * image.operators.length}`,
    problem ? "DIFFERENT" : i === 0 ? "compared with" : "equal",
  ]);
  const problems = findings.flatMap(({ name, problem }) =>
    problem ? [`${printable(name)}:\n    ${problem}`] : [],
  );
  print([formatTable(columns, rows), ...problems].join("\n\n"));
}

export function verifyCommand(): Command {
  return new Command("verify")
    .description(
      "Compares WebAssembly, C on the host and the emulated chip, or a board's log, operator by operator.",
    )
    .argument("<model>", ".tflite file or thumbnet image")
    .argument("<input...>", "raw tensor files, pictures or folders")
    .option("--log <file>", "compare what a board has sent over its UART (one run for each input)")
    .option("--golden <file>", "compare raw outputs, one after the other in the order of the inputs")
    .addOption(
      new Option("--on <implementations...>", "what to compare with scalar; default: all").choices([
        ...IMPLEMENTATIONS,
      ]),
    )
    .option("--firmware <dir>", "C sources to build for the host, instead of thumbnet's own")
    .addOption(inputTypeOption())
    .addOption(frontEndOption())
    .addOption(optimizeOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `${INPUT_HELP}

The arena is compared after every operator, over all its bytes. Exit code 1 on any difference; the first one is
shown with its likely cause.`,
    )
    .action(verify);
}
