import { basename } from "node:path";
import { Command, Option } from "commander";
import { readWhole } from "../data/files.ts";
import { type ModelInputs, openInputs } from "../data/inputs.ts";
import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { hostCompiler } from "../mcu/host.ts";
import { emulatedChip, hostC, type Implementation, type Run, webAssembly } from "../mcu/implementations.ts";
import { type LoggedRun, parseLog } from "../mcu/log.ts";
import { checkLog, type Verdict, Verification } from "../mcu/verify.ts";
import { imageOf } from "../plan/compile.ts";
import { type Image, readImage } from "../plan/image.ts";
import { Progress } from "../report/progress.ts";
import { formatTable, printable } from "../report/table.ts";
import { type InputData, tensorInfo } from "../runtime/tensors.ts";
import {
  type ExitOptions,
  exitThresholdOption,
  frontEndOption,
  INPUT_HELP,
  type InputOptions,
  inputReading,
  inputTypeOption,
  jsonOption,
  note,
  optimizeOption,
  type PlanOptions,
  print,
  printJson,
  withExitOptions,
} from "./common.ts";

const IMPLEMENTATIONS = ["scalar", "simd", "host", "chip"] as const;

interface VerifyOptions extends InputOptions, PlanOptions, ExitOptions {
  readonly on?: string[];
  readonly firmware?: string;
  readonly log?: string;
  readonly golden?: string;
}

/** Something that was compared, and what is wrong with it; null when nothing is. */
interface Finding {
  readonly name: string;
  readonly inputs: number;
  readonly operators: number;
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

/** Compares the outputs of one input, or that of them which answered, with their place in the golden bytes. */
class Golden {
  readonly #bytes: Uint8Array;
  /** Bytes of all outputs of one input. */
  readonly #each: number;
  problem: string | null = null;

  constructor(path: string, bytes: Uint8Array, image: Image, count: number) {
    this.#bytes = bytes;
    const sizes = image.outputs.map(({ tensor }) => tensor.bytes);
    this.#each =
      image.exits.length > 0 ? sizes[image.finalOutput]! : sizes.reduce((sum, size) => sum + size, 0);
    if (bytes.length !== this.#each * count) {
      throw new ThumbnetError(
        `${path}: holds ${bytes.length} bytes, ${count} inputs give ${this.#each * count} (${this.#each} each)`,
      );
    }
  }

  check(image: Image, run: Run, index: number): void {
    const expected = this.#bytes.subarray(index * this.#each, (index + 1) * this.#each);
    const outputs = image.exits.length > 0 ? [run.answered] : image.outputs.keys();
    const made = Buffer.concat(Array.from(outputs, (o) => outputOf(image, run, o)));
    const byte = made.findIndex((value, i) => value !== expected[i]);
    if (byte < 0) return;
    const [found, wanted] = [made[byte]!, expected[byte]!].map((value) => (value << 24) >> 24);
    this.problem ??= `input ${index}, output byte ${byte}: ${found}, the golden file has ${wanted}`;
  }
}

/** The bytes of output `index` after the last operator. */
function outputOf(image: Image, { steps }: Run, index: number): Uint8Array {
  const { space, offset, bytes } = image.outputs[index]!.tensor;
  const memory = space === "image" ? image.bytes : steps.at(-1)!.arena;
  return memory.subarray(offset, offset + bytes);
}

function describeVerdict({ difference }: Verdict, image: Image): string | null {
  if (!difference) return null;
  const { decision } = difference;
  const {
    input,
    operator,
    name: kind,
    shape,
    coordinates,
    element,
    expected,
    found,
    wrong,
    elements,
    cause,
  } = difference;
  const name = (output: number) => `output "${image.outputs[output]?.name ?? output}"`;
  const where = decision
    ? `all bytes are equal, but ${name(decision.found)} answers, expected ${name(decision.expected)}`
    : coordinates.length > 0
      ? `element ${element} at ${formatShape(coordinates)}: ${found}, expected ${expected}`
      : `byte ${element}`;
  return `input ${input}, operator ${operator} ${kind} ${formatShape(shape)}, ${where} (${wrong} of ${elements} differ)\n    likely cause: ${cause}`;
}

/** A log of one run is of the first input; one of several, of the first several. */
function checkRun(
  runs: readonly LoggedRun[],
  index: number,
  image: Image,
  data: readonly InputData[],
  expected: Run,
  path: string,
) {
  const run = runs[index];
  return run ? checkLog(run, image, data, expected, `${path}, run ${index}`) : null;
}

/** @param boardCrc32 of the image that a board runs, which takes other thresholds from RAM */
async function compare(
  image: Image,
  boardCrc32: number,
  inputs: ModelInputs,
  options: VerifyOptions,
): Promise<Finding[]> {
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
      const expected = await verification.add(data, index);
      golden?.check(image, expected, index);
      const logged = { ...image, crc32: boardCrc32 };
      if (options.log) logProblem ??= checkRun(runs, index, logged, data, expected, options.log);
      progress.step();
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    progress.end();
  }
  const findings: Finding[] = verification.verdicts.map((verdict) => ({
    name: verdict.name,
    inputs: verdict.inputs,
    operators: verdict.operators,
    problem: describeVerdict(verdict, image),
    verdict,
  }));
  const { inputs: done, operators } = findings[0]!;
  if (options.log) {
    const logged = runs.reduce((sum, run) => sum + run.operators.length, 0);
    findings.push({
      name: `log ${options.log}`,
      inputs: runs.length,
      operators: logged,
      problem: logProblem,
    });
  }
  if (golden) {
    findings.push({ name: `golden ${options.golden}`, inputs: done, operators, problem: golden.problem });
  }
  if (done < count) note(`stopped after ${done} of ${count} inputs`);
  return findings;
}

async function verify(path: string, paths: readonly string[], options: VerifyOptions): Promise<void> {
  const bytes = await readWhole(path);
  const name = basename(path);
  const planned = readImage(imageOf(bytes, name, { optimize: options.optimize }), name);
  const image = readImage(withExitOptions(planned.bytes, name, options), name);
  const infos = image.inputs.map((port) => tensorInfo(port.name, port.tensor));
  const inputs = await openInputs(paths, infos, options);
  const reading = inputReading({ inputs: infos }, inputs, options);
  const findings = await compare(image, planned.crc32, inputs, options);
  const isEqual = findings.every(({ problem }) => problem === null);
  if (!isEqual) process.exitCode = 1;
  if (options.json) {
    const compared = findings.map(({ name, inputs, operators, problem, verdict }) => {
      const difference = verdict?.difference ?? null;
      return { name, inputs, operators, equal: problem === null, problem, difference };
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
  const rows = findings.map(({ name, inputs, operators, problem }, i) => [
    name,
    `${inputs}`,
    `${operators}`,
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
    .addOption(exitThresholdOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `${INPUT_HELP}

The arena is compared after every operator, over all its bytes; with early exits also which of them answers, and then
the operators up to it. A golden file has the scores of whichever output answered then. Exit code 1 on any difference; the first one is
shown with its likely cause.`,
    )
    .action(verify);
}
