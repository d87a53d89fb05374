import { ThumbnetError } from "../errors.ts";
import type { OperatorKind } from "../graph/graph.ts";
import { type CompileOptions, imageOf } from "../plan/compile.ts";
import { fullShape, type Image, type ImageTensor, readImage } from "../plan/image.ts";
import { ALIGNMENT, alignUp, HEADER, OPERATOR, structLayout } from "../plan/layout.ts";
import { readStruct, writeStruct } from "../plan/struct.ts";
import { type ExitInfo, exitInfos } from "../runtime/exits.ts";
import {
  type InputData,
  inputBytes,
  type OutputData,
  storedType,
  type TensorInfo,
  tensorInfo,
} from "../runtime/tensors.ts";
import { Chip, ChipFault, FLASH, FLASH_BYTES, RAM, RAM_BYTES } from "./chip.ts";
import { type ChipMemory, chipMemory, type Firmware, loadFirmware } from "./firmware.ts";
import { MAILBOX, STATUS, STOP_OPERATOR, STOP_READY, STOP_START } from "./mailbox.ts";
import { lessKinds, type Observed, observedSince, sumObserved } from "./observe.ts";

/** `optimize` and `foldConstants` are for `.tflite` files: an image keeps its plan. */
export interface EmulatorOptions extends Pick<CompileOptions, "optimize" | "foldConstants"> {
  /** What error messages call the model. */
  readonly name?: string;
  /** Where the image lies; default: flash. The cycles are the same, as no wait states are modelled. */
  readonly imageIn?: "flash" | "ram";
  /** One run may take that many cycles; default 2^32 (34 s at 125 MHz). */
  readonly maxCycles?: number;
  /** Default: the one that comes with the package. */
  readonly firmware?: Firmware;
  /** Leave every instruction to rp2040js instead of translating the program: the same results, much later. */
  readonly interpret?: boolean;
  /** Also count what `Observed` has: it takes about half as long again. */
  readonly observe?: boolean;
}

/** What one operator made on the chip, and how long it took. */
export interface EmulatedOperator {
  /** Position in the model file. */
  readonly index: number;
  readonly name: OperatorKind;
  readonly shape: readonly number[];
  /** The output as the chip has it; int8 for a float32 tensor at the edge. Empty where it is not whole. */
  readonly stored: Uint8Array;
  /** The last operator of those that run in slices of rows has the cycles of all of them, the others 0. */
  readonly cycles: number;
  /** False where the operator runs in slices of rows together with later ones: its output never exists whole. */
  readonly isWhole: boolean;
  /** With the option `arena`: the whole arena after the operator. */
  readonly arena?: Uint8Array;
  /** With the emulator's option `observe`. The flash cache is empty when the run begins. */
  readonly observed?: Observed;
}

export interface EmulatedRun {
  /** Those that ran: with an early exit that answers not all. */
  readonly operators: readonly EmulatedOperator[];
  /** The output that answered: an early exit's, or the final one; 0 where there are no exits. */
  readonly answered: number;
  /** All outputs; of a model with early exits only the one that answered, the others are empty. */
  readonly outputs: readonly OutputData[];
  /** Of one call of `thumbnet_run` without observer. */
  readonly cycles: number;
  /** The deepest that the stack has been. */
  readonly stackBytes: number;
  /** With the emulator's option `observe`: of all operators. */
  readonly observed?: Observed;
}

export interface EmulatedRunOptions {
  /** Report the whole arena after every operator. */
  readonly arena?: boolean;
  /** Called after every operator. */
  readonly onOperator?: (operator: EmulatedOperator) => void;
}

/** What is spent between two stops. */
interface Spent {
  readonly cycles: number;
  readonly observed: Observed | null;
}

/** Up to each stop, and the cycles of a whole run without stops, when no kernels run and nothing is decided. */
interface IdleCycles {
  readonly stops: readonly Spent[];
  /** By where a run ends: after so many operators. */
  readonly totals: ReadonlyMap<number, number>;
}

/** More than the check of the largest image takes. */
const START_CYCLES = 2 ** 32;

/** What free RAM is filled with, to see how far the stack comes. */
const PAINT = 0xc5;

/** Making a chip takes longer than small runs do, so emulators share one; who runs takes it over. */
const sharedChips: Record<"observing" | "plain", Chip | null> = { observing: null, plain: null };
const owners = new WeakMap<Chip, Emulator>();

/** Without what the stop itself costs. Its misses stay: they are few, and not the same each time. */
function since({ cycles, observed }: Spent, idle: Spent): Spent {
  const kinds = observed && idle.observed && lessKinds(observed.kinds, idle.observed.kinds);
  return { cycles: cycles - idle.cycles, observed: observed && kinds && { ...observed, kinds } };
}

const HEADER_LAYOUT = structLayout(HEADER);
const OPERATOR_LAYOUT = structLayout(OPERATOR);

/**
 * A model on an emulated RP2040: the C kernels as ARMv6-M code, in Node. It can run any number of inputs, one
 * after the other.
 *
 * Cycles of an operator are those of its kernels and their calls. Each run stops after every operator; what the
 * stop and the observer cost is found by a run of the same image with no kernels in it, and subtracted. What
 * the counts leave out is said in `cycles.ts`.
 */
export class Emulator {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly exits: readonly ExitInfo[];
  readonly finalOutput: number;
  readonly memory: ChipMemory;

  readonly #name: string;
  readonly #image: Image;
  readonly #firmware: Firmware;
  readonly #maxCycles: number;
  readonly #chip: Chip;
  /** The addresses of the image, of the arena, and of what is free behind arena and scratch. */
  readonly #imageAddress: number;
  readonly #arenaAddress: number;
  readonly #freeAddress: number;
  /** The same memory, as bytes. */
  readonly #imageBytes: Uint8Array;
  readonly #arena: Uint8Array;
  /** Null when the firmware has not come to wait for inputs. */
  #idle: IdleCycles | null = null;

  /** Use `createEmulator`. */
  constructor(model: Uint8Array, options: EmulatorOptions = {}) {
    const { name = "model", imageIn = "flash", maxCycles = 2 ** 32 } = options;
    const { interpret = false, observe = false } = options;
    const firmware = options.firmware ?? loadFirmware();
    this.#name = name;
    const image = imageOf(model, name, options);
    this.#image = readImage(image, name);
    this.#firmware = firmware;
    this.#maxCycles = maxCycles;
    this.inputs = this.#image.inputs.map((port) => tensorInfo(port.name, port.tensor));
    this.outputs = this.#image.outputs.map((port) => tensorInfo(port.name, port.tensor));
    this.exits = exitInfos(this.#image);
    this.finalOutput = this.#image.finalOutput;
    this.memory = chipMemory(this.#image, firmware);

    const { bss_end, stack_top, stack_bytes } = firmware.symbols;
    const inRam = imageIn === "ram";
    const static_end = alignUp(bss_end, ALIGNMENT);
    this.#imageAddress = inRam ? static_end : firmware.image_address;
    this.#arenaAddress = inRam ? alignUp(static_end + image.length, ALIGNMENT) : static_end;
    this.#freeAddress = alignUp(this.#arenaAddress + this.memory.arena + this.memory.scratch, ALIGNMENT);
    if (!inRam) this.#checkFits("flash", image.length, FLASH + FLASH_BYTES - this.#imageAddress, FLASH_BYTES);
    const ramBytes = this.#freeAddress - static_end;
    this.#checkFits("RAM", ramBytes, stack_top - stack_bytes - static_end, RAM_BYTES);

    if (interpret) {
      this.#chip = new Chip({ interpret, observe });
    } else {
      const shared = observe ? "observing" : "plain";
      sharedChips[shared] ??= new Chip({ observe });
      this.#chip = sharedChips[shared];
    }
    const { ram, flash } = this.#chip;
    this.#imageBytes = inRam
      ? ram.subarray(this.#imageAddress - RAM, this.#imageAddress - RAM + image.length)
      : flash.subarray(this.#imageAddress - FLASH, this.#imageAddress - FLASH + image.length);
    this.#arena = ram.subarray(this.#arenaAddress - RAM, this.#arenaAddress - RAM + this.memory.arena);
  }

  #checkFits(where: "flash" | "RAM", needed: number, left: number, whole: number): void {
    if (needed <= left) return;
    const { arena, scratch, image } = this.memory;
    const what =
      where === "flash"
        ? `image ${image}, room for ${left} of ${whole} behind the firmware`
        : `arena ${arena}, scratch ${scratch}; room for ${left} of ${whole} beside variables and stack`;
    throw new ThumbnetError(
      `${this.#name}: too large for the ${where} of an RP2040: ${needed} bytes (${what})`,
    );
  }

  /**
   * Runs the model once, from an arena of zeros.
   *
   * @param inputs the data of each input, as `Model.run` takes it, without a batch
   * @throws ThumbnetError when the inputs do not fit, or when the run would end in a hard fault or takes more than
   *   `maxCycles`; it names the operator
   */
  run(inputs: readonly InputData[], options: EmulatedRunOptions = {}): EmulatedRun {
    const bytes = this.#checkInputs(inputs);
    const idle = (owners.get(this.#chip) === this && this.#idle) || this.#start();
    this.#paint();
    bytes.forEach((data, i) => {
      this.#arena.set(data, this.#image.inputs[i]!.tensor.offset);
    });
    const operators: EmulatedOperator[] = [];
    // Until the run has come to its end: after a fault the firmware has to start again.
    this.#idle = null;
    this.#chip.observer?.cache.clear();
    this.#execute(true, (index, spent) => {
      const operator = this.#operator(index, since(spent, idle.stops[index]!), options.arena ?? false);
      operators.push(operator);
      options.onOperator?.(operator);
    });
    this.#idle = idle;
    const answered = this.#chip.readWord(this.#firmware.symbols.mailbox + MAILBOX.answered);
    const cycles = operators.reduce((sum, op) => sum + op.cycles, idle.totals.get(operators.length)!);
    const outputs = this.#readOutputs(answered);
    const run = { operators, answered, outputs, cycles, stackBytes: this.#stackBytes() };
    if (!this.#chip.observer) return run;
    return { ...run, observed: sumObserved(operators.map((operator) => operator.observed!)) };
  }

  #checkInputs(inputs: readonly InputData[]): Uint8Array[] {
    if (inputs.length !== this.inputs.length) {
      throw new ThumbnetError(
        `${this.#name}: the model takes ${this.inputs.length} inputs, ${inputs.length} were given`,
      );
    }
    return inputs.map((data, i) => {
      const { bytes, batch } = inputBytes(data, this.inputs[i]!);
      if (batch !== 1)
        throw new ThumbnetError(`one input at a time runs on the chip, a batch of ${batch} was given`);
      return bytes;
    });
  }

  /** Starts the firmware, until it waits for inputs. */
  #start(): IdleCycles {
    const { symbols, code } = this.#firmware;
    const { mailbox } = symbols;
    const chip = this.#chip;
    owners.set(chip, this);
    chip.program(code);
    this.#imageBytes.set(this.#image.bytes);
    chip.start(symbols.vectors);
    this.#expect(STOP_START, "starting");
    chip.writeWord(mailbox + MAILBOX.image, this.#imageAddress);
    chip.writeWord(mailbox + MAILBOX.arena, this.#arenaAddress);
    chip.writeWord(mailbox + MAILBOX.arenaBytes, this.memory.arena + this.memory.scratch);
    this.#expect(STOP_READY, "checking the image");
    const status = chip.readWord(mailbox + MAILBOX.status);
    if (status !== 0)
      throw new ThumbnetError(`${this.#name}: refused by the chip: ${STATUS[status] ?? status}`);
    return this.#runIdle();
  }

  /** @throws ThumbnetError when the firmware does not stop there next */
  #expect(stop: number, what: string): void {
    const found = this.#resume(START_CYCLES, what);
    if (found !== stop) {
      throw new ThumbnetError(
        `${this.#name}: ${what} stops at ${found}, not at ${stop}: run "npm run firmware"`,
      );
    }
  }

  /** Runs the image with no records before any operator's end, and no exits. */
  #runIdle(): IdleCycles {
    const { buffer, byteOffset, length } = this.#imageBytes;
    const view = new DataView(buffer, byteOffset, length);
    const { operatorsOffset, operatorCount } = readStruct<typeof HEADER>(view, 0, HEADER_LAYOUT);
    writeStruct(view, 0, HEADER_LAYOUT, { exitCount: 0 });
    for (let i = 0; i < operatorCount; i++) {
      writeStruct(view, operatorsOffset + i * OPERATOR_LAYOUT.bytes, OPERATOR_LAYOUT, { recordEnd: 0 });
    }
    const stops: Spent[] = [];
    this.#execute(true, (_, spent) => stops.push(spent));
    const totals = new Map<number, number>();
    for (const end of [operatorCount, ...this.#image.exits.map(({ operatorEnd }) => operatorEnd)]) {
      writeStruct(view, 0, HEADER_LAYOUT, { operatorCount: end });
      totals.set(
        end,
        this.#execute(false, () => {}),
      );
    }
    this.#imageBytes.set(this.#image.bytes);
    return { stops, totals };
  }

  /**
   * From the inputs to the end of a run.
   *
   * @param onStop called after each operator with its index and what was spent since the stop before
   * @returns the cycles since the last stop
   */
  #execute(stops: boolean, onStop: (index: number, spent: Spent) => void): number {
    const chip = this.#chip;
    const { mailbox } = this.#firmware.symbols;
    chip.writeWord(mailbox + MAILBOX.stopAfterOperators, stops ? 1 : 0);
    const start = chip.cycles;
    let last = start;
    let seen = chip.observer?.total() ?? null;
    for (let operator = 0; ; operator++) {
      const stop = this.#resume(start + this.#maxCycles - last, this.#describe(operator));
      const now = chip.cycles;
      if (stop !== STOP_OPERATOR) return now - last;
      const total = chip.observer?.total() ?? null;
      onStop(operator, { cycles: now - last, observed: total && seen && observedSince(total, seen) });
      last = now;
      seen = total;
    }
  }

  #describe(operator: number): string {
    const kind = this.#image.operators[operator]?.kind;
    return kind ? `operator ${operator} (${kind})` : "the end of the run";
  }

  /** @throws ThumbnetError that says what the chip was at */
  #resume(maxCycles: number, what: string): number {
    try {
      return this.#chip.resume(maxCycles);
    } catch (error) {
      if (!(error instanceof ChipFault)) throw error;
      throw new ThumbnetError(`${this.#name}: ${what} fails on the emulated chip: ${error.message}`);
    }
  }

  #operator(index: number, { cycles, observed }: Spent, withArena: boolean): EmulatedOperator {
    const { kind, output } = this.#image.operators[index]!;
    const stored = this.#content(output).slice();
    const isWhole = output.space !== "nowhere";
    const operator = {
      ...{ index, name: kind, shape: fullShape(output), stored, cycles, isWhole },
      ...(observed ? { observed } : {}),
    };
    return withArena ? { ...operator, arena: this.#arena.slice() } : operator;
  }

  #content({ space, offset, bytes }: ImageTensor): Uint8Array {
    return (space === "image" ? this.#imageBytes : this.#arena).subarray(offset, offset + bytes);
  }

  #readOutputs(answered: number): OutputData[] {
    return this.#image.outputs.map(({ tensor }, i) => {
      const isThere = this.exits.length === 0 || i === answered;
      const bytes = isThere ? this.#content(tensor).slice() : new Uint8Array(0);
      return storedType(this.outputs[i]!) === "uint8" ? bytes : new Int8Array(bytes.buffer);
    });
  }

  /** RAM from behind arena and scratch to the stack pointer. */
  #freeRam(): Uint8Array {
    return this.#chip.ram.subarray(this.#freeAddress - RAM, this.#chip.stackPointer - RAM);
  }

  /** The arena becomes zeros; scratch, which kernels must not rely on, and what the stack may grow into, paint. */
  #paint(): void {
    this.#arena.fill(0);
    const scratch = this.#arenaAddress - RAM + this.memory.arena;
    this.#chip.ram.fill(PAINT, scratch, scratch + this.memory.scratch);
    this.#freeRam().fill(PAINT);
  }

  #stackBytes(): number {
    const free = this.#freeRam();
    let unused = 0;
    while (free[unused] === PAINT) unused++;
    if (unused === 0) throw new ThumbnetError(`${this.#name}: the stack has run into the arena`);
    return this.#firmware.symbols.stack_top - this.#freeAddress - unused;
  }
}

/**
 * Puts a model on an emulated RP2040.
 *
 * @param model a `.tflite` file or a thumbnet image
 * @throws ThumbnetError when it is damaged, not supported, or larger than the flash or the RAM of the chip
 */
export function createEmulator(model: Uint8Array, options: EmulatorOptions = {}): Emulator {
  return new Emulator(model, options);
}
