import { RP2040 } from "rp2040js";
import { MISSED_CYCLES } from "./cycles.ts";
import { type FlashCache, Observer } from "./observe.ts";
import { type Machine, type MachineState, Translator } from "./translate.ts";

export const FLASH = 0x10000000;
/** Of a Raspberry Pi Pico. */
export const FLASH_BYTES = 2 * 1024 * 1024;
export const RAM = 0x20000000;
export const RAM_BYTES = 264 * 1024;

const PERIPHERALS = 0x40000000;

/** The chip did what would end in a hard fault, or did not come to an end. */
export class ChipFault extends Error {
  override readonly name = "ChipFault";
}

const hex = (value: number) => `0x${(value >>> 0).toString(16).padStart(8, "0")}`;

/** @throws ChipFault for an address below the peripherals: whoever asks has found no memory there */
function checkDevice(isStrict: boolean, address: number, what: string): void {
  if (isStrict && address < PERIPHERALS) throw new ChipFault(`${what} at ${hex(address)}`);
}

/**
 * rp2040js, but strict: an access that is a hard fault on the chip throws a ChipFault, where rp2040js at most
 * writes a message. So does reading the boot ROM, which is legal but here can only be a null pointer.
 */
class StrictRp2040 extends RP2040 {
  /** Not yet true while the constructor of rp2040js resets the core, which reads the boot ROM. */
  readonly isStrict: boolean = true;
  /** What sees reads of the flash, instructions included. */
  cache: FlashCache | null = null;

  override readUint32(address: number): number {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES && (at & 3) === 0) return this.sramView.getUint32(inRam, true);
    const inFlash = at - FLASH;
    if (inFlash >= 0 && inFlash < FLASH_BYTES && (at & 3) === 0) {
      this.cache?.read(inFlash);
      return this.flashView.getUint32(inFlash, true);
    }
    checkDevice(this.isStrict, at, "a word is read");
    return super.readUint32(at);
  }

  override readUint16(address: number): number {
    const at = address >>> 0;
    const inFlash = at - FLASH;
    if (inFlash >= 0 && inFlash < FLASH_BYTES && (at & 1) === 0) {
      this.cache?.read(inFlash);
      return this.flashView.getUint16(inFlash, true);
    }
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES && (at & 1) === 0) return this.sramView.getUint16(inRam, true);
    checkDevice(this.isStrict, at, "two bytes are read");
    return super.readUint16(at);
  }

  override readUint8(address: number): number {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES) return this.sram[inRam]!;
    const inFlash = at - FLASH;
    if (inFlash >= 0 && inFlash < FLASH_BYTES) {
      this.cache?.read(inFlash);
      return this.flash[inFlash]!;
    }
    checkDevice(this.isStrict, at, "a byte is read");
    return super.readUint8(at);
  }

  override writeUint32(address: number, value: number): void {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES && (at & 3) === 0) this.sramView.setUint32(inRam, value, true);
    else {
      checkDevice(this.isStrict, at, "a word is written");
      super.writeUint32(at, value);
    }
  }

  override writeUint16(address: number, value: number): void {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES && (at & 1) === 0) this.sramView.setUint16(inRam, value, true);
    else {
      checkDevice(this.isStrict, at, "two bytes are written");
      super.writeUint16(at, value);
    }
  }

  override writeUint8(address: number, value: number): void {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES) this.sram[inRam] = value;
    else {
      checkDevice(this.isStrict, at, "a byte is written");
      super.writeUint8(at, value);
    }
  }
}

export interface ChipOptions {
  /** Leave every instruction to rp2040js: the reference for the translation, and much slower. */
  readonly interpret?: boolean;
  /** See `observer`; it takes more time. */
  readonly observe?: boolean;
}

/** One core of the chip with its memories, and a program in it that stops at breakpoints. */
export class Chip {
  readonly ram: Uint8Array;
  /** To be read, and written for an image; the program is written by `program`. */
  readonly flash: Uint8Array;
  /** Counts misses of the flash cache, and cycles by kind of instruction; null where nobody asked for it. */
  readonly observer: Observer | null;
  readonly #chip = new StrictRp2040();
  readonly #opcodesInRam: Uint16Array;
  readonly #state: MachineState = { nz: 0, c: 0, v: 0, cycles: 0, end: 0 };
  readonly #translator: Translator | null;
  /** Where a translated access of memory has failed. */
  #faultAt = -1;
  #breakpoint = -1;

  constructor({ interpret = false, observe = false }: ChipOptions = {}) {
    const chip = this.#chip;
    this.observer = observe ? new Observer() : null;
    chip.cache = this.observer?.cache ?? null;
    this.ram = chip.sram;
    this.flash = chip.flash.subarray(0, FLASH_BYTES);
    this.#opcodesInRam = new Uint16Array(this.ram.buffer);
    chip.onBreak = (number) => {
      this.#breakpoint = number;
    };
    const fail = (_: string, message: string): never => {
      throw new ChipFault(message);
    };
    chip.logger = { debug: () => {}, info: () => {}, warn: fail, error: fail };
    this.#translator = interpret ? null : new Translator(this.#machine());
  }

  #machine(): Machine {
    const { core } = this.#chip;
    const chip = this.#chip;
    const state = this.#state;
    /** Of a load or store 2 are counted; the devices take more or fewer. */
    const countAccess = (address: number, isWrite: boolean, pc: number) => {
      this.#faultAt = pc;
      state.cycles += core.cyclesIO(address, isWrite) - 1;
    };
    return {
      ram: this.ram,
      flash: this.flash,
      ramAddress: RAM,
      flashAddress: FLASH,
      registers: new Int32Array(core.registers.buffer),
      state,
      observer: this.observer,
      load(kind, address, pc) {
        countAccess(address, false, pc);
        if (kind === "i32") return chip.readUint32(address) | 0;
        if (kind === "u16" || kind === "i16") {
          const value = chip.readUint16(address);
          return kind === "u16" ? value : (value << 16) >> 16;
        }
        const value = chip.readUint8(address);
        return kind === "u8" ? value : (value << 24) >> 24;
      },
      store(kind, address, value, pc) {
        countAccess(address, true, pc);
        if (kind === "i32") chip.writeUint32(address, value >>> 0);
        else if (kind === "u16") chip.writeUint16(address, value & 0xffff);
        else chip.writeUint8(address, value & 0xff);
      },
    };
  }

  /** Cycles since the start, as the chip counts them; see `cycles.ts`. */
  get cycles(): number {
    return this.#state.cycles;
  }

  get stackPointer(): number {
    return this.#chip.core.SP;
  }

  /** r0 ... r15. */
  get registers(): Uint32Array {
    return this.#chip.core.registers.slice();
  }

  /** Writes a program to the start of the flash. */
  program(code: Uint8Array): void {
    if (Buffer.compare(this.flash.subarray(0, code.length), code) === 0) return;
    this.flash.set(code);
    this.#translator?.clear();
  }

  /** As after a reset, with the vector table at an address. */
  start(vectors: number): void {
    const { core } = this.#chip;
    core.VTOR = vectors;
    core.reset();
    this.#state.cycles = 0;
  }

  readWord(address: number): number {
    return this.#chip.readUint32(address);
  }

  writeWord(address: number, value: number): void {
    this.#chip.writeUint32(address, value);
  }

  /**
   * Goes on to the next breakpoint.
   *
   * @param maxCycles how far at most
   * @returns the breakpoint's number
   * @throws ChipFault at what is a hard fault on the chip, or when the cycles are used up
   */
  resume(maxCycles: number): number {
    const { core } = this.#chip;
    const state = this.#state;
    state.end = state.cycles + maxCycles;
    this.#breakpoint = -1;
    if (this.#translator) this.#readFlags();
    try {
      while (this.#breakpoint < 0) {
        this.#faultAt = core.PC;
        if (state.cycles >= state.end) throw new ChipFault(`no end after ${maxCycles} cycles`);
        const region = this.#translator?.region(core.PC);
        if (region) core.PC = region();
        else this.#interpret();
      }
    } catch (error) {
      if (error instanceof ChipFault) error.message += `, program counter ${hex(this.#faultAt)}`;
      throw error;
    }
    if (this.#translator) this.#writeFlags();
    return this.#breakpoint;
  }

  /** One instruction by rp2040js. */
  #interpret(): void {
    const { core, flash16 } = this.#chip;
    const at = core.PC;
    const opcode = at >= RAM ? this.#opcodesInRam[(at - RAM) >>> 1] : flash16[(at - FLASH) >>> 1];
    if (opcode === undefined) throw new ChipFault("the program jumps to where no memory is");
    const before = core.cycles;
    if (this.#translator) this.#writeFlags();
    core.executeInstruction();
    if (this.#translator) this.#readFlags();
    const cycles = core.cycles - before + MISSED_CYCLES[opcode]!;
    this.#state.cycles += cycles;
    this.observer?.interpreted(opcode, cycles);
  }

  #readFlags(): void {
    const { N, Z, C, V } = this.#chip.core;
    this.#state.nz = Z ? 0 : N ? -1 : 1;
    this.#state.c = C ? 1 : 0;
    this.#state.v = V ? 1 : 0;
  }

  #writeFlags(): void {
    const { nz, c, v } = this.#state;
    const { core } = this.#chip;
    core.N = nz < 0;
    core.Z = nz === 0;
    core.C = c !== 0;
    core.V = v !== 0;
  }
}
