import { RP2040 } from "rp2040js";
import { MISSED_CYCLES } from "./cycles.ts";

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

  override readUint32(address: number): number {
    const at = address >>> 0;
    const inRam = at - RAM;
    if (inRam >= 0 && inRam < RAM_BYTES && (at & 3) === 0) return this.sramView.getUint32(inRam, true);
    const inFlash = at - FLASH;
    if (inFlash >= 0 && inFlash < FLASH_BYTES && (at & 3) === 0)
      return this.flashView.getUint32(inFlash, true);
    checkDevice(this.isStrict, at, "a word is read");
    return super.readUint32(at);
  }

  override readUint16(address: number): number {
    const at = address >>> 0;
    const inFlash = at - FLASH;
    if (inFlash >= 0 && inFlash < FLASH_BYTES && (at & 1) === 0)
      return this.flashView.getUint16(inFlash, true);
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
    if (inFlash >= 0 && inFlash < FLASH_BYTES) return this.flash[inFlash]!;
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

/** One core of the chip with its memories, and a program in it that stops at breakpoints. */
export class Chip {
  readonly ram: Uint8Array;
  readonly flash: Uint8Array;
  readonly #chip = new StrictRp2040();
  readonly #opcodesInRam: Uint16Array;
  #missedCycles = 0;
  #breakpoint = -1;

  constructor() {
    this.ram = this.#chip.sram;
    this.flash = this.#chip.flash.subarray(0, FLASH_BYTES);
    this.#opcodesInRam = new Uint16Array(this.ram.buffer);
    this.#chip.onBreak = (number) => {
      this.#breakpoint = number;
    };
    const fail = (_: string, message: string): never => {
      throw new ChipFault(message);
    };
    this.#chip.logger = { debug: () => {}, info: () => {}, warn: fail, error: fail };
  }

  /** Cycles since the start, as the chip counts them; see `cycles.ts`. */
  get cycles(): number {
    return this.#chip.core.cycles + this.#missedCycles;
  }

  get stackPointer(): number {
    return this.#chip.core.SP;
  }

  /** As after a reset, with the vector table at an address. */
  start(vectors: number): void {
    const { core } = this.#chip;
    core.VTOR = vectors;
    core.reset();
    this.#missedCycles = 0;
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
    const { core, flash16 } = this.#chip;
    const ram16 = this.#opcodesInRam;
    const end = core.cycles + maxCycles;
    let at = core.PC;
    this.#breakpoint = -1;
    try {
      while (this.#breakpoint < 0) {
        at = core.PC;
        if (core.cycles >= end) throw new ChipFault(`no end after ${maxCycles} cycles`);
        const opcode = at >= RAM ? ram16[(at - RAM) >>> 1] : flash16[(at - FLASH) >>> 1];
        if (opcode === undefined) throw new ChipFault("the program jumps to where no memory is");
        this.#missedCycles += MISSED_CYCLES[opcode]!;
        core.executeInstruction();
      }
    } catch (error) {
      if (error instanceof ChipFault) error.message += `, program counter ${hex(at)}`;
      throw error;
    }
    return this.#breakpoint;
  }
}
