/**
 * Translates the program in flash to JavaScript, piece by piece as it is reached: an interpreter takes some
 * fifty times as long. The unit is a region: all that can be reached from an address by branches whose target is in
 * the instruction, calls excluded. In it registers and flags are local variables, flags that nobody reads are
 * not computed, and a basic block is a case of one `switch`.
 *
 * What is not translated goes to rp2040js, which is also what the translation is tested against.
 */
import { kindOf, LINE_SHIFT, type Observer, SET_MASK } from "./observe.ts";
import {
  C,
  decode,
  type Instruction,
  type LoadKind,
  type MemoryCode,
  NZ,
  type StoreKind,
  V,
} from "./thumb.ts";

/** What the translated program works on. */
export interface Machine {
  readonly ram: Uint8Array;
  readonly flash: Uint8Array;
  readonly ramAddress: number;
  readonly flashAddress: number;
  /** r0 ... r15. */
  readonly registers: Int32Array;
  readonly state: MachineState;
  /** Whether the translation also counts for an observer. */
  readonly observer: Observer | null;
  /** Everything that is neither RAM nor flash, not aligned, or a store to flash. */
  load(kind: LoadKind, address: number, pc: number): number;
  store(kind: StoreKind, address: number, value: number, pc: number): void;
}

/** Flags, and cycles so far; a region gives up at a loop once `end` is reached. */
export interface MachineState {
  nz: number;
  c: number;
  v: number;
  cycles: number;
  end: number;
}

/** Runs from the region's start to where it is left; returns that address. */
export type Region = () => number;

interface Block {
  readonly start: number;
  readonly instructions: Instruction[];
  /** Behind its last instruction. */
  end: number;
}

/** Statements that count for the observer. */
interface ObservedBlock {
  /** Before each instruction. */
  readonly before: readonly string[];
  /** Once for the block. */
  readonly count: string;
}

/** Larger ones are cut: the rest is another region. */
const MAX_INSTRUCTIONS = 4000;
const ALL_FLAGS = NZ | C | V;

const ARRAYS = { u8: "U8", i8: "S8", u16: "U16", i16: "S16", i32: "S32" } as const;
const SIZES = { u8: 1, i8: 1, u16: 2, i16: 2, i32: 4 } as const;

/** The cache sees a line: a condition, and what follows where it is not met. `line` is evaluated several times. */
const seenLine = (line: string | number) =>
  typeof line === "number"
    ? `W[${line & SET_MASK}]===${line}||X.turn(${line})`
    : `W[${line}&${SET_MASK}]===(${line})||X.turn(${line})`;

/** Memory accesses: RAM first, then flash, else a call. */
function memoryCode(machine: Machine): MemoryCode {
  const { ram, flash, ramAddress, flashAddress, observer } = machine;
  const view = new DataView(flash.buffer, flash.byteOffset, flash.byteLength);
  const element = (kind: LoadKind, prefix: string) => {
    const size = SIZES[kind];
    return `${prefix}${ARRAYS[kind]}[t${size === 1 ? "" : size === 2 ? ">>1" : ">>2"}]`;
  };
  const inside = (kind: LoadKind, address: string, start: number, bytes: number) => {
    const aligned = SIZES[kind] === 1 ? "" : `&&(t&${SIZES[kind] - 1})===0`;
    return `(t=${address}-${start}|0)>>>0<${bytes}${aligned}`;
  };
  const seen = (line: string | number, value: string) => (observer ? `(${seenLine(line)},${value})` : value);
  return {
    load: (kind, address, pc) =>
      `(${inside(kind, `(${address})`, ramAddress, ram.length)}?${element(kind, "ram")}:` +
      `${inside(kind, `(t+${ramAddress})`, flashAddress, flash.length)}?${seen(`t>>${LINE_SHIFT}`, element(kind, "flash"))}:` +
      `load("${kind}",t+${flashAddress},${pc})|0)`,
    store: (kind, address, value, pc) =>
      `if(${inside(kind, `(${address})`, ramAddress, ram.length)})${element(kind, "ram")}=${value};` +
      `else store("${kind}",t+${ramAddress},${value},${pc});`,
    literal: (address) =>
      seen((address - flashAddress) >> LINE_SHIFT, `${view.getInt32(address - flashAddress, true)}`),
  };
}

export class Translator {
  readonly #machine: Machine;
  readonly #memory: MemoryCode;
  readonly #opcodes: Uint16Array;
  /** By halfword of the flash: null where the first instruction is not translated. */
  readonly #regions: (Region | null | undefined)[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#memory = memoryCode(machine);
    const { buffer, byteOffset, byteLength } = machine.flash;
    this.#opcodes = new Uint16Array(buffer, byteOffset, byteLength >> 1);
  }

  /** Forgets everything: the program has changed. */
  clear(): void {
    this.#regions.length = 0;
    this.#machine.observer?.forgetBlocks();
  }

  /** The region that starts at an address; null where there is none to be had. */
  region(address: number): Region | null {
    const at = (address - this.#machine.flashAddress) >> 1;
    const known = this.#regions[at];
    if (known !== undefined) return known;
    if (at < 0 || at >= this.#opcodes.length) return null;
    const region = this.#translate(address);
    this.#regions[at] = region;
    return region;
  }

  #decode(address: number): Instruction | null {
    const at = (address - this.#machine.flashAddress) >> 1;
    if (at < 0 || at + 1 >= this.#opcodes.length) return null;
    return decode(this.#opcodes[at]!, this.#opcodes[at + 1]!, address, this.#memory);
  }

  #translate(address: number): Region | null {
    const blocks = this.#blocks(address);
    if (blocks[0]!.instructions.length === 0 && blocks.length === 1) return null;
    const observed = this.#machine.observer && blocks.map((block) => this.#observe(block));
    return compile(this.#machine, regionCode(blocks, address, observed));
  }

  /** Counts a block, and the lines that its instructions lie in unless the one before has just read them. */
  #observe({ start, instructions }: Block): ObservedBlock {
    const { flashAddress, observer } = this.#machine;
    const opcodes: (readonly [number, number])[] = [];
    const before: string[] = [];
    let offset = start - flashAddress;
    let latest = -1;
    for (const { bytes, cycles } of instructions) {
      const opcode = this.#opcodes[offset >> 1]!;
      opcodes.push([opcode, cycles]);
      const lines = new Set([offset >> LINE_SHIFT, (offset + bytes - 1) >> LINE_SHIFT]);
      before.push([...lines].map((line) => (line === latest ? "" : `${seenLine(line)};`)).join(""));
      // Data from flash may take its place.
      latest = kindOf(opcode) === "load" ? -1 : [...lines].at(-1)!;
      offset += bytes;
    }
    return { before, count: `K[${observer!.addBlock(opcodes)}]++;` };
  }

  /** Basic blocks by address, as far as branches reach. */
  #blocks(start: number): Block[] {
    const instructions = new Map<number, Instruction>();
    const starts = new Set([start]);
    const open = [start];
    for (let address = open.pop(); address !== undefined; address = open.pop()) {
      while (!instructions.has(address) && instructions.size < MAX_INSTRUCTIONS) {
        const instruction = this.#decode(address);
        if (!instruction) break;
        instructions.set(address, instruction);
        const { ending, bytes } = instruction;
        address += bytes;
        if (!ending) continue;
        if (ending.kind === "leave") break;
        starts.add(ending.target);
        open.push(ending.target);
        if (ending.condition === "true") break;
        starts.add(address);
      }
    }
    return [...starts]
      .sort((a, b) => a - b)
      .map((at) => {
        const block: Block = { start: at, instructions: [], end: at };
        for (let next = instructions.get(at); next; next = instructions.get(block.end)) {
          block.instructions.push(next);
          block.end += next.bytes;
          if (next.ending || starts.has(block.end)) break;
        }
        return block;
      });
  }
}

/** For each block the flags that somebody reads after it. */
function liveFlags(blocks: readonly Block[], indices: ReadonlyMap<number, number>): number[] {
  const liveIn = blocks.map(() => 0);
  const liveAt = (address: number): number => {
    const index = indices.get(address);
    return index === undefined ? ALL_FLAGS : liveIn[index]!;
  };
  const liveOut = ({ instructions, end }: Block): number => {
    if (instructions.length === 0) return ALL_FLAGS;
    const ending = instructions.at(-1)!.ending;
    if (!ending) return liveAt(end);
    if (ending.kind === "leave") return ALL_FLAGS;
    return liveAt(ending.target) | (ending.condition === "true" ? 0 : liveAt(end));
  };
  for (let isStable = false; !isStable; ) {
    isStable = true;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i]!;
      const live = block.instructions.reduceRight(
        (after, { uses, kills }) => (after & ~kills) | uses,
        liveOut(block),
      );
      if (live !== liveIn[i]) isStable = false;
      liveIn[i] = live;
    }
  }
  return blocks.map(liveOut);
}

/** The body of a function; see `compile` for its variables. `L` is the loop around the blocks, `p` where to leave to. */
function regionCode(
  blocks: readonly Block[],
  start: number,
  observed: readonly ObservedBlock[] | null,
): string {
  const taken = observed ? "n++;k++;" : "n++;";
  const indices = new Map(blocks.map(({ start }, i) => [start, i]));
  const liveOut = liveFlags(blocks, indices);

  const go = (from: number, to: number): string => {
    const index = indices.get(to);
    if (index === undefined || blocks[index]!.instructions.length === 0) return `{p=${to};break L;}`;
    if (index > from) return `{b=${index};continue L;}`;
    return `{if(n>=limit){p=${to};break L;}b=${index};continue L;}`;
  };

  const cases = blocks.map((block, i) => {
    const { instructions, end } = block;
    if (instructions.length === 0) return `case ${i}:p=${block.start};break L;`;
    const watched = observed?.[i];
    let live = liveOut[i]!;
    let code = "";
    let cycles = 0;
    for (const [at, instruction] of [...instructions.entries()].reverse()) {
      // What the ending reads is read behind the last instruction.
      if (instruction.ending?.kind === "branch") live |= instruction.uses;
      code = (watched?.before[at] ?? "") + instruction.code(live) + code;
      live = (live & ~instruction.kills) | instruction.uses;
      cycles += instruction.cycles;
    }
    code += `n+=${cycles};${watched?.count ?? ""}`;
    const ending = instructions.at(-1)!.ending;
    if (ending?.kind === "leave") return `case ${i}:${code}p=(${ending.address})&-2;break L;`;
    const next = indices.get(end) === i + 1 && blocks[i + 1]!.instructions.length > 0 ? "" : go(i, end);
    if (!ending) return `case ${i}:${code}${next}`;
    const { condition, target } = ending;
    if (condition === "true") return `case ${i}:${code}${taken}${go(i, target)}`;
    if (target === block.start) {
      const again = `${taken}if(n>=limit){p=${target};break L;}`;
      return `case ${i}:for(;;){${code}if(!(${condition}))break;${again}}${next}`;
    }
    return `case ${i}:${code}if(${condition}){${taken}${go(i, target)}}${next}`;
  });

  const body = `L:for(;;)switch(b){\n${cases.join("\n")}\n}`;
  const registers = Array.from({ length: 15 }, (_, i) => i).filter((i) =>
    new RegExp(`\\br${i}\\b`).test(body),
  );
  return [
    `let nz=S.nz,c=S.c,v=S.v,n=0,k=0,t=0,p=0,b=${indices.get(start)};`,
    ...registers.map((i) => `let r${i}=R[${i}];`),
    // A whole number of 31 bits, however much is left.
    "const limit=Math.min(S.end-S.cycles,1e9)|0;",
    body,
    ...registers.map((i) => `R[${i}]=r${i};`),
    `S.nz=nz;S.c=c;S.v=v;S.cycles+=n;${observed ? "O.taken+=k;" : ""}return p>>>0;`,
  ].join("\n");
}

function compile({ ram, flash, registers, state, observer, load, store }: Machine, body: string): Region {
  const views = [ram, flash].flatMap(({ buffer, byteOffset, byteLength }) => [
    new Uint8Array(buffer, byteOffset, byteLength),
    new Int8Array(buffer, byteOffset, byteLength),
    new Uint16Array(buffer, byteOffset, byteLength >> 1),
    new Int16Array(buffer, byteOffset, byteLength >> 1),
    new Int32Array(buffer, byteOffset, byteLength >> 2),
  ]);
  const names = ["ram", "flash"].flatMap((memory) => Object.values(ARRAYS).map((kind) => memory + kind));
  const watching = { O: observer, K: observer?.runs, X: observer?.cache, W: observer?.cache.latest };
  const parameters = ["R", "S", "load", "store", ...names, ...Object.keys(watching)];
  const make = new Function(...parameters, `"use strict";return function(){${body}};`);
  return make(registers, state, load, store, ...views, ...Object.values(watching));
}
