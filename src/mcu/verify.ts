import { ThumbnetError } from "../errors.ts";
import { crc32, formatCrc } from "../plan/crc32.ts";
import type { Image } from "../plan/image.ts";
import { type Difference, firstDifference } from "./compare.ts";
import { type Implementation, type Job, type Run, storedInputs } from "./implementations.ts";
import type { LoggedExit, LoggedRun } from "./log.ts";

/** What became of one implementation on all inputs. */
export interface Verdict {
  readonly name: string;
  /** Inputs that were run up to the first difference, that one included. */
  readonly inputs: number;
  /** Operators that were compared on them: those up to an early exit that answered. */
  readonly operators: number;
  /** Where it first goes wrong, and on which input; null when all bytes are equal. */
  readonly difference: (Difference & { readonly input: number }) | null;
}

/**
 * Compares implementations with the first, input by input and operator by operator, over the whole arena. One that
 * has gone wrong is not run further.
 */
export class Verification {
  readonly #image: Image;
  readonly #implementations: readonly Implementation[];
  readonly #verdicts: Verdict[];

  constructor(image: Image, implementations: readonly Implementation[]) {
    this.#image = image;
    this.#implementations = implementations;
    this.#verdicts = implementations.map(({ name }) => ({ name, inputs: 0, operators: 0, difference: null }));
  }

  get verdicts(): readonly Verdict[] {
    return this.#verdicts;
  }

  /** Runs one input on all; returns what the first left behind. */
  async add(inputs: Job["inputs"], index: number): Promise<Run> {
    const job = { image: this.#image.bytes, inputs };
    const [trusted, ...others] = this.#implementations;
    const expected = (await trusted!.runs([job]))[0]!;
    this.#count(0, expected, null);
    for (const [i, { runs }] of others.entries()) {
      if (this.#verdicts[i + 1]!.difference) continue;
      const found = (await runs([job]))[0]!;
      const difference = await firstDifference(this.#image, job, expected, found);
      this.#count(i + 1, found, difference && { ...difference, input: index });
    }
    return expected;
  }

  #count(i: number, { steps }: Run, difference: Verdict["difference"]): void {
    const verdict = this.#verdicts[i]!;
    this.#verdicts[i] = {
      ...verdict,
      inputs: verdict.inputs + 1,
      operators: verdict.operators + steps.length,
      difference,
    };
  }
}

/**
 * Compares a run that a board has logged with what the model gives.
 *
 * @returns the first operator or output that differs, in words; null when all are equal
 * @throws ThumbnetError when the log is of another model, image version or input
 */
export function checkLog(
  run: LoggedRun,
  image: Image,
  inputs: Job["inputs"],
  { steps: expected, answered }: Run,
  name: string,
): string | null {
  const own = formatCrc(image.crc32);
  if (run.image !== own) {
    throw new ThumbnetError(
      `${name}: the board ran image ${run.image}, this model makes image ${own}: another model, or exported by another version`,
    );
  }
  const ends = [...image.exits.map(({ operatorEnd }) => operatorEnd), image.operators.length];
  if (!ends.includes(run.operators.length) || image.exits.length > 0 !== (run.exit !== null)) {
    throw new ThumbnetError(
      `${name}: logs ${run.operators.length} operators, the model has ${image.operators.length}${exitEnds(image)}`,
    );
  }
  storedInputs(image, inputs).forEach((bytes, i) => {
    const crc = formatCrc(crc32(bytes));
    if (run.inputs[i] !== crc) {
      throw new ThumbnetError(
        `${name}: the board's input ${i} had CRC-32 ${run.inputs[i]}, the one given here has ${crc}: give the input that the board ran`,
      );
    }
  });
  for (const [i, { crc32: crc }] of run.operators.slice(0, expected.length).entries()) {
    const { kind, output } = image.operators[i]!;
    const wanted = output.space === "nowhere" ? null : formatCrc(crc32(expected[i]!.stored));
    if (crc !== wanted)
      return `operator ${i} ${kind} [${output.shape}]: ${crc === null ? "in slices" : `CRC-32 ${crc}`}, expected ${wanted ?? "in slices"}`;
  }
  const wrongExit = run.exit && exitProblem(run, run.exit, image, answered);
  if (wrongExit) return wrongExit;
  // The operators' checksums are right: what differs now went wrong on the way out.
  for (const [i, { tensor }] of image.outputs.entries()) {
    if (run.exit && i !== answered) continue;
    const found = run.outputs.find(({ index }) => index === i)?.bytes ?? new Uint8Array(0);
    const last = image.operators
      .slice(0, expected.length)
      .findLastIndex(({ output }) => output.space === tensor.space && output.offset === tensor.offset);
    if (Buffer.compare(found, expected[last]?.stored ?? new Uint8Array(0)) !== 0) {
      return `output ${i}: the bytes are not those of operator ${last}, whose CRC-32 is right: the log was garbled`;
    }
  }
  return null;
}

/** Where a run of a model with early exits may end. */
function exitEnds({ exits }: Image): string {
  if (exits.length === 0) return "";
  const ends = exits.map(({ operatorEnd }, i) => `exit ${i} ends after ${operatorEnd}`);
  return `; ${ends.join(", ")}; and a line for the exit that answered is needed`;
}

/** What is wrong with which exit answered, or with its confidence; null when nothing is. */
function exitProblem(
  { operators, outputs }: LoggedRun,
  found: LoggedExit,
  image: Image,
  answered: number,
): string | null {
  const name = (exit: number) =>
    exit < 0 || exit >= image.exits.length ? "the final output" : `exit ${exit}`;
  const wanted = image.exits.findIndex(({ output }) => output === answered);
  if ((found.index ?? -1) !== wanted) return `${name(found.index ?? -1)} answered, expected ${name(wanted)}`;
  const end = image.exits[wanted]?.operatorEnd ?? image.operators.length;
  if (operators.length !== end) {
    return `${name(wanted)} answered after ${operators.length} operators, it is decided after ${end}`;
  }
  if (outputs[0]?.index !== answered) {
    return `${name(wanted)} answered, but the log has output ${outputs[0]?.index ?? "none"} in place of ${answered}`;
  }
  const top = Math.max(...new Int8Array(outputs[0].bytes)) + 128;
  return found.confidence === top
    ? null
    : `${name(wanted)} has the confidence ${found.confidence}/256, its values ${top}/256: the log was garbled`;
}
