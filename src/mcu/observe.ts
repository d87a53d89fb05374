/**
 * What a run on the emulated chip can be watched for, beside its cycles: by what instructions they are spent, and how
 * often the cache between chip and flash misses.
 */

/** Kinds of instructions: by what they do first. A POP that returns is a load. */
export const INSTRUCTION_KINDS = ["multiply", "load", "store", "branch", "other"] as const;
export type InstructionKind = (typeof INSTRUCTION_KINDS)[number];
/** Cycles by kind. */
export type KindCycles = Readonly<Record<InstructionKind, number>>;

/** The kind of an instruction, by its first 16 bits. */
export function kindOf(opcode: number): InstructionKind {
  const top = opcode >> 11;
  if (opcode >> 6 === 0b0100001101) return "multiply";
  // LDR of a literal; by register; by immediate; from the stack; POP; LDM.
  if (top === 0b01001) return "load";
  if (top === 0b01010 || top === 0b01011) return ((opcode >> 9) & 7) < 3 ? "store" : "load";
  if (top >= 0b01100 && top <= 0b10011) return top & 1 ? "load" : "store";
  if (opcode >> 9 === 0b1011010) return "store";
  if (opcode >> 9 === 0b1011110) return "load";
  if (top === 0b11000) return "store";
  if (top === 0b11001) return "load";
  // Conditional and not; BL; BX and BLX; what moves or adds to the program counter.
  if (top >= 0b11010 && top <= 0b11110 && (opcode & 0xfe00) !== 0xde00 && opcode >> 4 !== 0xf3e) {
    return opcode >> 7 === 0x1e7 ? "other" : "branch";
  }
  if (opcode >> 8 === 0x47) return "branch";
  if ((opcode >> 8 === 0x44 || opcode >> 8 === 0x46) && (opcode & 0x87) === 0x87) return "branch";
  return "other";
}

/** The cache between the cores of an RP2040 and its flash, of two ways. */
export const FLASH_CACHE = {
  bytes: 16 * 1024,
  ways: 2,
  lineBytes: 8,
  /** About what a line takes from the flash: 8 bytes by four wires, with command and address. */
  missCycles: 100,
} as const;

export const LINE_SHIFT = Math.log2(FLASH_CACHE.lineBytes);
const SETS = FLASH_CACHE.bytes / FLASH_CACHE.ways / FLASH_CACHE.lineBytes;
export const SET_MASK = SETS - 1;

/**
 * Which lines of the flash the cache holds; the one of a set that was not used last gives way. Every instruction in
 * flash reads its line, or both that it lies in, before its data. What the chip fetches ahead is left out.
 */
export class FlashCache {
  /** By set: the lines used last, -1 for none; and the others. */
  readonly latest = new Int32Array(SETS);
  readonly #other = new Int32Array(SETS);
  misses = 0;

  constructor() {
    this.clear();
  }

  clear(): void {
    this.latest.fill(-1);
    this.#other.fill(-1);
    this.misses = 0;
  }

  /** A byte, halfword or word is read. */
  read(offset: number): void {
    const line = offset >> LINE_SHIFT;
    if (this.latest[line & SET_MASK] !== line) this.turn(line);
  }

  /** Reads a line that is not the one of its set that was used last. */
  turn(line: number): void {
    const set = line & SET_MASK;
    if (this.#other[set] !== line) this.misses++;
    this.#other[set] = this.latest[set]!;
    this.latest[set] = line;
  }
}

/** What was seen since some moment. */
export interface Observed {
  readonly kinds: KindCycles;
  readonly misses: number;
}

/** Watches a chip. Translated blocks count how often they run; what they hold is added up when somebody asks. */
export class Observer {
  readonly cache = new FlashCache();
  /** By block of the translation: how often it ran, and its cycles without those of branches that are taken. */
  readonly runs: number[] = [];
  readonly #blocks: KindCycles[] = [];
  /** Branches taken in translated blocks: one cycle each. */
  taken = 0;
  /** Of instructions that were not translated, and of blocks that are no more. */
  #others: KindCycles = noCycles();

  /** @returns the block's index in `runs` */
  addBlock(instructions: Iterable<readonly [opcode: number, cycles: number]>): number {
    const kinds = noCycles();
    for (const [opcode, cycles] of instructions) kinds[kindOf(opcode)] += cycles;
    this.#blocks.push(kinds);
    return this.runs.push(0) - 1;
  }

  interpreted(opcode: number, cycles: number): void {
    this.#others = { ...this.#others, [kindOf(opcode)]: this.#others[kindOf(opcode)] + cycles };
  }

  /** The translation starts anew. */
  forgetBlocks(): void {
    this.#others = this.total().kinds;
    this.taken = 0;
    this.runs.length = 0;
    this.#blocks.length = 0;
  }

  /** Everything so far. */
  total(): Observed {
    const kinds = { ...this.#others };
    kinds.branch += this.taken;
    for (const [block, runs] of this.runs.entries()) {
      if (runs === 0) continue;
      for (const kind of INSTRUCTION_KINDS) kinds[kind] += runs * this.#blocks[block]![kind];
    }
    return { kinds, misses: this.cache.misses };
  }
}

function noCycles(): Record<InstructionKind, number> {
  return { multiply: 0, load: 0, store: 0, branch: 0, other: 0 };
}

function combine(a: KindCycles, b: KindCycles, factor: 1 | -1): KindCycles {
  const result = noCycles();
  for (const kind of INSTRUCTION_KINDS) result[kind] = a[kind] + factor * b[kind];
  return result;
}

/** The cycles of one less those of the other. */
export function lessKinds(a: KindCycles, b: KindCycles): KindCycles {
  return combine(a, b, -1);
}

export function observedSince(now: Observed, before: Observed): Observed {
  return { kinds: lessKinds(now.kinds, before.kinds), misses: now.misses - before.misses };
}

export function sumObserved(parts: readonly Observed[]): Observed {
  return {
    kinds: parts.reduce((sum, { kinds }) => combine(sum, kinds, 1), noCycles() as KindCycles),
    misses: parts.reduce((sum, { misses }) => sum + misses, 0),
  };
}
