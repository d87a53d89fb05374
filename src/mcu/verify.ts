import { ThumbnetError } from "../errors.ts";
import { crc32, formatCrc } from "../plan/crc32.ts";
import type { Image } from "../plan/image.ts";
import { type Difference, firstDifference } from "./compare.ts";
import { type Implementation, type Job, type Step, storedInputs } from "./implementations.ts";
import type { LoggedRun } from "./log.ts";

/** What became of one implementation on all inputs. */
export interface Verdict {
  readonly name: string;
  /** Inputs that were run up to the first difference, that one included. */
  readonly inputs: number;
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
    this.#verdicts = implementations.map(({ name }) => ({ name, inputs: 0, difference: null }));
  }

  get verdicts(): readonly Verdict[] {
    return this.#verdicts;
  }

  /** Runs one input on all; returns what the first left behind. */
  async add(inputs: Job["inputs"], index: number): Promise<Step[]> {
    const job = { image: this.#image.bytes, inputs };
    const [trusted, ...others] = this.#implementations;
    const expected = (await trusted!.steps([job]))[0]!;
    this.#count(0, null);
    for (const [i, { steps }] of others.entries()) {
      if (this.#verdicts[i + 1]!.difference) continue;
      const found = (await steps([job]))[0]!;
      const difference = await firstDifference(this.#image, job, expected, found);
      this.#count(i + 1, difference && { ...difference, input: index });
    }
    return expected;
  }

  #count(i: number, difference: Verdict["difference"]): void {
    const verdict = this.#verdicts[i]!;
    this.#verdicts[i] = { ...verdict, inputs: verdict.inputs + 1, difference };
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
  expected: readonly Step[],
  name: string,
): string | null {
  const own = formatCrc(image.crc32);
  if (run.image !== own) {
    throw new ThumbnetError(
      `${name}: the board ran image ${run.image}, this model makes image ${own}: another model, or exported by another version`,
    );
  }
  if (run.operators.length !== image.operators.length) {
    throw new ThumbnetError(
      `${name}: logs ${run.operators.length} operators, the model has ${image.operators.length}`,
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
  for (const [i, { crc32: crc }] of run.operators.entries()) {
    const { kind, output } = image.operators[i]!;
    const wanted = output.space === "nowhere" ? null : formatCrc(crc32(expected[i]!.stored));
    if (crc !== wanted)
      return `operator ${i} ${kind} [${output.shape}]: ${crc === null ? "in slices" : `CRC-32 ${crc}`}, expected ${wanted ?? "in slices"}`;
  }
  // The operators' checksums are right: what differs now went wrong on the way out.
  for (const [i, { tensor }] of image.outputs.entries()) {
    const last = image.operators.findLastIndex(
      ({ output }) => output.space === tensor.space && output.offset === tensor.offset,
    );
    if (
      Buffer.compare(run.outputs[i] ?? new Uint8Array(0), expected[last]?.stored ?? new Uint8Array(0)) !== 0
    ) {
      return `output ${i}: the bytes are not those of operator ${last}, whose CRC-32 is right: the log was garbled`;
    }
  }
  return null;
}
