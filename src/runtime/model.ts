import { ThumbnetError } from "../errors.ts";
import type { OperatorKind } from "../graph/graph.ts";
import { crc32 } from "../plan/crc32.ts";
import {
  expandChannels,
  fullShape,
  type Image,
  type ImageExit,
  type ImageOperator,
  type ImageTensor,
} from "../plan/image.ts";
import { alignUp } from "../plan/layout.ts";
import { resolveThresholds } from "../plan/thresholds.ts";
import { ensure } from "../wasm.ts";
import type { Engine, Kernels } from "./engine.ts";
import { type Answer, answers, type ExitInfo, exitInfos, type RunOptions, type TraceExit } from "./exits.ts";
import {
  declared,
  type InputData,
  inputBytes,
  isLike,
  largestValue,
  newOutput,
  type OutputData,
  type TensorInfo,
  tensorInfo,
} from "./tensors.ts";

/** What one operator made. */
export interface TraceEntry {
  /** Position in the model file. */
  readonly index: number;
  readonly name: OperatorKind;
  readonly shape: readonly number[];
  /** CRC-32 (zlib's) of the output's bytes; of the float32 bytes for a DEQUANTIZE; 0 where it is not whole. */
  readonly crc32: number;
  /** The output's bytes; none where it is not whole. */
  readonly bytes: Uint8Array;
  /**
   * False where the operator runs in slices of rows together with later ones (`optimize: "ram"`): its output never
   * exists whole, and the work is done by the last operator of the slices.
   */
  readonly isWhole: boolean;
  /**
   * The output as the chip has it: the same but for channels that are always constant, which the chip does not keep,
   * and for a DEQUANTIZE, of which it has the int8 bytes that stand for the floats.
   */
  readonly stored: Uint8Array;
  /** With the option `arena`: the whole arena after the operator. */
  readonly arena?: Uint8Array;
  /** Where an exit is decided after the operator. */
  readonly exit?: TraceExit;
}

export interface TraceOptions extends RunOptions {
  /** Start from an arena of zeros and report all of it after every operator, for comparison with the chip. */
  readonly arena?: boolean;
  /** Stop where an exit answers, as `run` does. Default: run everything. */
  readonly stop?: boolean;
}

/**
 * How many output channels are requantized in which way; each is proven exact for the accumulators that its channel
 * can reach. Empty for the scalar engine, which has one way.
 */
export interface RequantizationForms {
  /** One float32 multiplication and addition. */
  readonly float: number;
  /** The same with an addend of its own below zero, for outputs of both signs. */
  readonly floatBySign: number;
  /** Both roundings in 64-bit integers. */
  readonly integer: number;
  /** One channel at a time. */
  readonly plain: number;
}

/** How long one operator takes. */
export interface ProfileEntry {
  readonly index: number;
  readonly name: OperatorKind;
  readonly shape: readonly number[];
  /**
   * Median over the repetitions, in microseconds; 0 for operators that only rename a tensor. The last operator of those
   * that run in slices of rows has the time of all of them, the others 0.
   */
  readonly microseconds: number;
}

export interface ProfileOptions {
  /** Timed runs of each operator; default 50. */
  readonly repetitions?: number;
}

const ALIGNMENT = 16;

/**
 * A model in memory, ready to run. It holds the image, the arena and a workspace in one WebAssembly memory of
 * its own, so several models can be used at once. Not to be entered from two threads.
 */
export class Model {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Early exits, in the order in which they are decided; mostly none. */
  readonly exits: readonly ExitInfo[];
  /** Which output answers where no exit does. */
  readonly finalOutput: number;
  readonly engine: Engine;
  /** Bytes of the arena: what the chip needs as RAM for activations. */
  readonly arenaBytes: number;
  /** Bytes of the image: weights, tables and plan, what the chip holds in flash. */
  readonly imageBytes: number;
  /** Bytes of WebAssembly memory in use. */
  readonly memoryBytes: number;
  readonly requantization: RequantizationForms;

  /** What error messages call the model. */
  readonly #name: string;
  readonly #recordCount: number;
  readonly #operators: readonly ImageOperator[];
  readonly #inputTensors: readonly ImageTensor[];
  readonly #outputTensors: readonly ImageTensor[];
  readonly #exits: readonly ImageExit[];
  readonly #image: number;
  readonly #arena: number;
  readonly #workspace: number;
  #kernels: Kernels | null;
  #memory: Uint8Array;
  /** For models of one input and without exits: where they are copied to and from. */
  #ports: { input: OutputData; output: OutputData } | null;

  /** Use `loadModel`. */
  constructor(image: Image, kernels: Kernels, engine: Engine, name: string) {
    this.#name = name;
    this.engine = engine;
    this.inputs = image.inputs.map(({ name, tensor }) => tensorInfo(name, tensor));
    this.outputs = image.outputs.map(({ name, tensor }) => tensorInfo(name, tensor));
    this.exits = exitInfos(image);
    this.#exits = image.exits;
    this.finalOutput = image.finalOutput;
    this.#recordCount = image.recordCount;
    this.#operators = image.operators;
    this.#inputTensors = image.inputs.map(({ tensor }) => tensor);
    this.#outputTensors = image.outputs.map(({ tensor }) => tensor);
    this.arenaBytes = image.arenaBytes;
    this.imageBytes = image.bytes.length;
    this.#kernels = kernels;
    this.#image = kernels.heapBase();
    this.#arena = alignUp(this.#image + this.imageBytes, ALIGNMENT);
    // Kernels load whole vectors: keep some bytes after the arena that belong to nobody.
    this.#workspace = alignUp(this.#arena + this.arenaBytes + ALIGNMENT, ALIGNMENT);
    ensure(kernels.memory, this.#workspace);
    new Uint8Array(kernels.memory.buffer).set(image.bytes, this.#image);
    this.memoryBytes = this.#workspace + kernels.workspaceBytes(this.#image) + ALIGNMENT;
    ensure(kernels.memory, this.memoryBytes);
    kernels.prepare(this.#image, this.#workspace);
    const [float, floatBySign, integer, plain] = [0, 1, 2, 3].map((form) =>
      kernels.requantizationForms(form),
    );
    this.requantization = { float: float!, floatBySign: floatBySign!, integer: integer!, plain: plain! };
    this.#memory = new Uint8Array(kernels.memory.buffer);
    const [input, output] = [this.#inputTensors[0], this.#outputTensors[this.finalOutput]];
    const isPlain = input && output && this.inputs.length === 1 && this.exits.length === 0;
    this.#ports = isPlain ? { input: this.#view(input), output: this.#view(output) } : null;
  }

  /**
   * Runs the model once, or once for each element of a batch.
   *
   * @param input the data of the one input, or an array with the data of each input. Int8Array (Uint8Array for
   *   a uint8 input) as the chip takes it, or Float32Array, which is quantised. N times the elements of one
   *   input, one after the other, are a batch of N.
   * @returns the first output, N after the other for a batch, in memory of its own; of a model with early exits, that
   *   of whichever answered
   * @throws ThumbnetError when number, type or length of the inputs do not fit, or a float is NaN
   */
  run(input: InputData | readonly InputData[]): OutputData;
  /**
   * As above, and tells which exit answered.
   *
   * @throws ThumbnetError also when a threshold is outside (0, 1], or there is not one for each exit or class
   */
  run(input: InputData | readonly InputData[], options: RunOptions): Answer;
  run(input: InputData | readonly InputData[], options?: RunOptions): OutputData | Answer {
    this.#alive();
    const ports = this.#ports;
    // The usual case, with no more than has to be done.
    if (ports && !options && isLike(input, ports.input)) {
      ports.input.set(input);
      this.#runRecords(0, this.#recordCount);
      return ports.output.slice();
    }
    if (this.outputs.length === 0) throw new ThumbnetError(`${this.#name}: the model has no outputs`);
    const thresholds = this.#thresholds(options);
    const { inputs, batch } = this.#checkInputs(input);
    const final = this.finalOutput;
    const output = newOutput(this.outputs[final]!, batch);
    const exits: number[] = [];
    const confidences: number[] = [];
    for (let n = 0; n < batch; n++) {
      this.#writeInputs(inputs, n);
      const exit = this.#runToExit(thresholds);
      const from = this.#exits[exit]?.output ?? final;
      this.#copyOutput(from, output, n);
      if (!options) continue;
      exits.push(exit);
      confidences.push(this.#confidence(from));
    }
    return options ? { output, exits, confidences } : output;
  }

  /** Runs the whole model, whatever exits say, and returns every output. */
  runAll(input: InputData | readonly InputData[]): OutputData[] {
    this.#alive();
    const { inputs, batch } = this.#checkInputs(input);
    const results = this.outputs.map((info) => newOutput(info, batch));
    const isExit = this.outputs.map((_, i) => this.#exits.some(({ output }) => output === i));
    for (let n = 0; n < batch; n++) {
      this.#writeInputs(inputs, n);
      let done = 0;
      for (const { recordEnd, output } of this.#exits) {
        this.#runRecords(done, recordEnd);
        done = recordEnd;
        // What follows may use its bytes.
        this.#copyOutput(output, results[output]!, n);
      }
      this.#runRecords(done, this.#recordCount);
      results.forEach((result, i) => {
        if (!isExit[i]) this.#copyOutput(i, result, n);
      });
    }
    return results;
  }

  /**
   * Runs the model once and reports what each operator made, in the order of the model file.
   *
   * @param input as for `run`, without a batch
   */
  trace(input: InputData | readonly InputData[], options: TraceOptions = {}): TraceEntry[] {
    const { arena = false, stop = false } = options;
    const kernels = this.#alive();
    const thresholds = this.#thresholds(options);
    const entries: TraceEntry[] = [];
    const whole = this.#memory.subarray(this.#arena, this.#arena + this.arenaBytes);
    if (arena) whole.fill(0);
    this.#writeSingle(input);
    let done = 0;
    for (const [index, { kind, recordEnd, output }] of this.#operators.entries()) {
      kernels.run(this.#image, this.#arena, this.#workspace, done, recordEnd);
      done = recordEnd;
      const stored = this.#content(output).slice();
      const bytes = declared(expandChannels(stored, output), output);
      const isWhole = output.space !== "nowhere";
      const shape = fullShape(output);
      const exit = this.#exits.findIndex(({ operatorEnd }) => operatorEnd === index + 1);
      const decided = exit < 0 ? null : this.#decided(exit, thresholds[exit]!);
      entries.push({
        ...{ index, name: kind, shape, crc32: crc32(bytes), bytes, isWhole, stored },
        ...(arena ? { arena: whole.slice() } : {}),
        ...(decided ? { exit: decided } : {}),
      });
      if (stop && decided?.answers) break;
    }
    return entries;
  }

  /**
   * Times each operator on its own. Operators repeat on what their first run left in the arena; the times do
   * not depend on it.
   *
   * @param input as for `run`, without a batch
   */
  profile(
    input: InputData | readonly InputData[],
    { repetitions = 50 }: ProfileOptions = {},
  ): ProfileEntry[] {
    if (!Number.isInteger(repetitions) || repetitions < 1) {
      throw new ThumbnetError(`repetitions is ${repetitions}, it must be a whole number from 1`);
    }
    const kernels = this.#alive();
    this.#writeSingle(input);
    let done = 0;
    return this.#operators.map(({ kind, recordEnd, output }, index) => {
      const times = Array.from({ length: done === recordEnd ? 0 : repetitions }, () => {
        const start = performance.now();
        kernels.run(this.#image, this.#arena, this.#workspace, done, recordEnd);
        return performance.now() - start;
      }).sort((a, b) => a - b);
      done = recordEnd;
      const microseconds = (times[times.length >> 1] ?? 0) * 1000;
      return { index, name: kind, shape: fullShape(output), microseconds };
    });
  }

  /** Frees the memory; the model cannot be used after. Safe to call twice. */
  dispose(): void {
    this.#kernels = null;
    this.#ports = null;
    this.#memory = new Uint8Array(0);
  }

  #alive(): Kernels {
    if (!this.#kernels) throw new ThumbnetError(`${this.#name}: the model has been disposed of`);
    return this.#kernels;
  }

  #checkInputs(input: InputData | readonly InputData[]): { inputs: Uint8Array[]; batch: number } {
    const given = (Array.isArray(input) ? input : [input]) as readonly InputData[];
    if (given.length !== this.inputs.length) {
      const names = this.inputs.map(({ name }) => `"${name}"`).join(", ");
      throw new ThumbnetError(
        `${this.#name}: the model takes ${this.inputs.length} inputs (${names}), ${given.length} were given`,
      );
    }
    const checked = given.map((data, i) => inputBytes(data, this.inputs[i]!));
    const batch = checked[0]?.batch ?? 1;
    const odd = checked.findIndex((c) => c.batch !== batch);
    if (odd > 0) {
      throw new ThumbnetError(
        `input "${this.inputs[odd]!.name}" has a batch of ${checked[odd]!.batch}, the first ${batch}`,
      );
    }
    return { inputs: checked.map(({ bytes }) => bytes), batch };
  }

  #writeInputs(inputs: readonly Uint8Array[], n: number): void {
    inputs.forEach((data, i) => {
      const { offset, bytes } = this.#inputTensors[i]!;
      this.#memory.set(data.subarray(n * bytes, (n + 1) * bytes), this.#arena + offset);
    });
  }

  #writeSingle(input: InputData | readonly InputData[]): void {
    const { inputs, batch } = this.#checkInputs(input);
    if (batch !== 1)
      throw new ThumbnetError(`one input at a time is traced or profiled, a batch of ${batch} was given`);
    this.#writeInputs(inputs, 0);
  }

  /** By exit and class. */
  #thresholds({ exitThreshold }: RunOptions = {}): Uint16Array[] {
    if (exitThreshold === undefined) return this.#exits.map(({ thresholds }) => thresholds);
    const classes = this.outputs[this.finalOutput]?.elements ?? 0;
    const all = resolveThresholds(this.#name, this.#exits.length, classes, exitThreshold);
    return this.#exits.map((_, i) => all.subarray(i * classes, (i + 1) * classes));
  }

  #runRecords(first: number, end: number): void {
    this.#kernels!.run(this.#image, this.#arena, this.#workspace, first, end);
  }

  /** Runs until an exit answers, and returns its index; their number where none does. */
  #runToExit(thresholds: readonly Uint16Array[]): number {
    let done = 0;
    for (const [i, { recordEnd, criterion, output }] of this.#exits.entries()) {
      this.#runRecords(done, recordEnd);
      done = recordEnd;
      if (answers(this.#scores(output), criterion, thresholds[i]!)) return i;
    }
    this.#runRecords(done, this.#recordCount);
    return this.#exits.length;
  }

  #decided(index: number, thresholds: Uint16Array): TraceExit {
    const { output, criterion } = this.#exits[index]!;
    const isAnswer = answers(this.#scores(output), criterion, thresholds);
    return { index, confidence: this.#confidence(output), answers: isAnswer };
  }

  /** An int8 output where it lies. */
  #scores(output: number): Int8Array {
    const { buffer, byteOffset, byteLength } = this.#content(this.#outputTensors[output]!);
    return new Int8Array(buffer, byteOffset, byteLength);
  }

  #confidence(output: number): number {
    const bytes = this.#content(this.#outputTensors[output]!);
    return largestValue(bytes, this.outputs[output]!);
  }

  /** Copies an output from where it lies to place `n` of a batch. */
  #copyOutput(index: number, result: OutputData, n: number): void {
    const tensor = this.#outputTensors[index]!;
    new Uint8Array(result.buffer, n * tensor.bytes, tensor.bytes).set(this.#content(tensor));
  }

  /** A tensor where it lies, as its own type. */
  #view(tensor: ImageTensor): OutputData {
    const { buffer, byteOffset, byteLength } = this.#content(tensor);
    return tensor.dtype === "uint8"
      ? new Uint8Array(buffer, byteOffset, byteLength)
      : new Int8Array(buffer, byteOffset, byteLength);
  }

  #content({ space, offset, bytes }: ImageTensor): Uint8Array {
    const start = (space === "image" ? this.#image : this.#arena) + offset;
    return this.#memory.subarray(start, start + bytes);
  }
}
