/**
 * ARMv6-M instructions as JavaScript: what `translate.ts` puts together. Registers are variables r0 ... r14; the
 * flags are nz (a number with their sign and zero), c and v (0 or 1). Meaning of the instructions: ARMv6-M
 * Architecture Reference Manual; cycles: see `cycles.ts`.
 */

export const NZ = 1;
export const C = 2;
export const V = 4;

/** Where a block can go on, beside what follows it. */
export type Ending =
  /** To `target` if `condition` holds, at one cycle more; else, or with "true" never, to what follows. */
  | { readonly kind: "branch"; readonly condition: string; readonly target: number }
  /** To the address that an expression gives, which may be anywhere. */
  | { readonly kind: "leave"; readonly address: string };

export interface Instruction {
  readonly bytes: 2 | 4;
  readonly cycles: number;
  /** Flags that it needs, and those that it leaves with a value that does not depend on the one before. */
  readonly uses: number;
  readonly kills: number;
  /** Statements; flags that are not `needed` may stay as they are. */
  readonly code: (needed: number) => string;
  readonly ending?: Ending;
}

/** How memory is read and written: expressions or statements of an address, for a program counter. */
export interface MemoryCode {
  load(kind: LoadKind, address: string, pc: number): string;
  store(kind: StoreKind, address: string, value: string, pc: number): string;
  /** A word of the program itself. */
  literal(address: number): string;
}
export type LoadKind = "u8" | "i8" | "u16" | "i16" | "i32";
export type StoreKind = "u8" | "u16" | "i32";

const LOADS: readonly (LoadKind | null)[] = [null, null, null, "i8", "i32", "u16", "u8", "i16"];
const STORES: readonly StoreKind[] = ["i32", "u16", "u8"];

const r = (number: number) => `r${number & 15}`;
const set = (needed: number, flag: number, statement: string) => (needed & flag ? statement : "");

function simple(code: string, cycles = 1): Instruction {
  return { bytes: 2, cycles, uses: 0, kills: 0, code: () => code };
}

/** `d` (none for a comparison) becomes a value; N and Z follow it. */
function result(d: string | null, value: string): Instruction {
  const code = (needed: number) => {
    if (d !== null) return `${d}=${value};${set(needed, NZ, `nz=${d};`)}`;
    return set(needed, NZ, `nz=${value};`);
  };
  return { bytes: 2, cycles: 1, uses: 0, kills: NZ, code };
}

/** a + b + carry, with all flags; `inverted`: a - b, which is a + ~b + 1. */
function sum(d: string | null, a: string, b: string, inverted: boolean, withCarry = false): Instruction {
  const code = (needed: number) => {
    const carry = withCarry ? "+c" : inverted ? "+1" : "";
    const value = withCarry ? `a+${inverted ? "~" : ""}b${carry}|0` : `a${inverted ? "-" : "+"}b|0`;
    const unsigned = withCarry
      ? `(a>>>0)+((${inverted ? "~" : ""}b)>>>0)+c>4294967295?1:0`
      : inverted
        ? "a>>>0>=b>>>0?1:0"
        : "s>>>0<a>>>0?1:0";
    const overflow = inverted ? "((a^b)&(a^s))>>>31" : "((a^s)&(b^s))>>>31";
    const flags = [
      set(needed, V, `v=${overflow};`),
      set(needed, C, `c=${unsigned};`),
      set(needed, NZ, "nz=s;"),
    ];
    return `{const a=${a},b=${b},s=${value};${flags.join("")}${d === null ? "" : `${d}=s;`}}`;
  };
  return { bytes: 2, cycles: 1, uses: withCarry ? C : 0, kills: NZ | C | V, code };
}

/** A shift by a constant; `carry` is the last bit that goes out, null where C stays. */
function shift(d: string, value: string, carry: string | null): Instruction {
  const code = (needed: number) =>
    `${carry === null ? "" : set(needed, C, `c=${carry};`)}${d}=${value};${set(needed, NZ, `nz=${d};`)}`;
  return { bytes: 2, cycles: 1, uses: 0, kills: carry === null ? NZ : NZ | C, code };
}

function shiftByConstant(kind: number, d: string, m: string, amount: number): Instruction {
  if (kind === 0) return shift(d, `${m}<<${amount}`, amount === 0 ? null : `${m}>>>${32 - amount}&1`);
  const count = amount === 0 ? 32 : amount;
  const carry = `${m}>>>${count - 1}&1`;
  if (kind === 1) return shift(d, count === 32 ? "0" : `${m}>>>${count}|0`, carry);
  return shift(d, `${m}>>${Math.min(31, count)}`, carry);
}

/** By the low eight bits of a register; C stays if they are 0. */
function shiftByRegister(kind: "lsl" | "lsr" | "asr" | "ror", d: string, m: string): Instruction {
  const [value, carry] = {
    lsl: ["n>31?0:x<<n", "n>32?0:x>>>32-n&1"],
    lsr: ["n>31?0:x>>>n|0", "n>32?0:x>>>n-1&1"],
    asr: ["x>>(n>31?31:n)", "x>>(n>32?31:n-1)&1"],
    ror: ["x>>>(n&31)|x<<(32-n&31)", "x>>>(n-1&31)&1"],
  }[kind] as [string, string];
  const code = (needed: number) =>
    `{const n=${m}&255,x=${d};${set(needed, C, `if(n!==0)c=${carry};`)}${d}=${value};${set(needed, NZ, `nz=${d};`)}}`;
  return { bytes: 2, cycles: 1, uses: 0, kills: NZ, code };
}

function arithmetic(opcode: number): Instruction {
  const [d, m] = [r(opcode & 7), r((opcode >> 3) & 7)];
  switch ((opcode >> 6) & 15) {
    case 0:
      return result(d, `${d}&${m}`);
    case 1:
      return result(d, `${d}^${m}`);
    case 2:
      return shiftByRegister("lsl", d, m);
    case 3:
      return shiftByRegister("lsr", d, m);
    case 4:
      return shiftByRegister("asr", d, m);
    case 5:
      return sum(d, d, m, false, true);
    case 6:
      return sum(d, d, m, true, true);
    case 7:
      return shiftByRegister("ror", d, m);
    case 8:
      return result(null, `${d}&${m}`);
    case 9:
      return sum(d, "0", m, true);
    case 10:
      return sum(null, d, m, true);
    case 11:
      return sum(null, d, m, false);
    case 12:
      return result(d, `${d}|${m}`);
    case 13:
      return result(d, `Math.imul(${d},${m})`);
    case 14:
      return result(d, `${d}&~${m}`);
    default:
      return result(d, `~${m}`);
  }
}

const leave = (address: string, cycles: number, code = ""): Instruction => {
  return { ...simple(code, cycles), ending: { kind: "leave", address } };
};

/** ADD, CMP, MOV of any registers, BX and BLX. */
function anyRegister(opcode: number, pc: number): Instruction | null {
  const [d, m] = [(opcode & 7) | ((opcode >> 4) & 8), (opcode >> 3) & 15];
  const value = m === 15 ? `${(pc + 4) | 0}` : r(m);
  const kind = (opcode >> 8) & 3;
  if (kind === 1) return d === 15 || m === 15 ? null : sum(null, r(d), r(m), true);
  if (kind === 3) {
    if (m === 15) return null;
    return opcode & 0x80 ? leave("t", 2, `t=${r(m)};r14=${(pc + 3) | 0};`) : leave(r(m), 2);
  }
  const from = kind === 0 ? `${d === 15 ? (pc + 4) | 0 : r(d)}+${value}|0` : value;
  if (d === 15) return leave(`${from}`, 2);
  return simple(`${r(d)}=${d === 13 ? `(${from})&-4` : from};`);
}

/** Registers of a list, in the order in which they lie in memory. */
function listed(bits: number): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => (bits >> i) & 1);
}

function loadMultiple(base: string, registers: number[], memory: MemoryCode, pc: number): string {
  return registers.map((i, n) => `${r(i)}=${memory.load("i32", `${base}+${4 * n}|0`, pc)};`).join("");
}

function storeMultiple(base: string, registers: number[], memory: MemoryCode, pc: number): string {
  return registers.map((i, n) => memory.store("i32", `${base}+${4 * n}|0`, r(i), pc)).join("");
}

/** 1011: stack and extensions. */
function miscellaneous(opcode: number, pc: number, memory: MemoryCode): Instruction | null {
  const [d, m] = [r(opcode & 7), r((opcode >> 3) & 7)];
  const list = listed(opcode);
  switch (opcode >> 8) {
    case 0xb0:
      return simple(`r13=r13${opcode & 0x80 ? "-" : "+"}${(opcode & 0x7f) << 2}|0;`);
    case 0xb2: {
      const extensions = [`${m}<<16>>16`, `${m}<<24>>24`, `${m}&65535`, `${m}&255`];
      return simple(`${d}=${extensions[(opcode >> 6) & 3]};`);
    }
    case 0xb4:
    case 0xb5: {
      const pushed = opcode & 0x100 ? [...list, 14] : list;
      const code = storeMultiple("r13", pushed, memory, pc);
      return simple(`r13=r13-${4 * pushed.length}|0;${code}`, 1 + pushed.length);
    }
    case 0xba: {
      const x = m;
      const swapped = `(${x}&16711935)<<8|${x}>>>8&16711935`;
      const kind = (opcode >> 6) & 3;
      if (kind === 2) return null;
      if (kind === 3) return simple(`${d}=(${x}<<8|${x}>>>8&255)<<16>>16;`);
      return simple(kind === 1 ? `${d}=${swapped};` : `t=${swapped};${d}=t<<16|t>>>16;`);
    }
    case 0xbc:
      return simple(`${loadMultiple("r13", list, memory, pc)}r13=r13+${4 * list.length}|0;`, 1 + list.length);
    case 0xbd: {
      const loads = loadMultiple("r13", list, memory, pc);
      const target = `p=${memory.load("i32", `r13+${4 * list.length}|0`, pc)};`;
      return leave("p", 4 + list.length, `${loads}${target}r13=r13+${4 * list.length + 4}|0;`);
    }
    default:
      return opcode === 0xbf00 ? simple("") : null;
  }
}

/** LDM and STM; the base moves on unless it is loaded. */
function multiple(opcode: number, pc: number, memory: MemoryCode): Instruction {
  const base = (opcode >> 8) & 7;
  const list = listed(opcode);
  const isLoad = opcode & 0x800;
  const transfer = (isLoad ? loadMultiple : storeMultiple)("q", list, memory, pc);
  const after = isLoad && list.includes(base) ? "" : `${r(base)}=q+${4 * list.length}|0;`;
  return simple(`{const q=${r(base)};${transfer}${after}}`, 1 + list.length);
}

const CONDITIONS: readonly (readonly [condition: string, uses: number])[] = [
  ["nz===0", NZ],
  ["nz!==0", NZ],
  ["c!==0", C],
  ["c===0", C],
  ["nz<0", NZ],
  ["nz>=0", NZ],
  ["v!==0", V],
  ["v===0", V],
  ["c!==0&&nz!==0", C | NZ],
  ["c===0||nz===0", C | NZ],
  ["nz>>>31===v", NZ | V],
  ["nz>>>31!==v", NZ | V],
  ["nz!==0&&nz>>>31===v", NZ | V],
  ["nz===0||nz>>>31!==v", NZ | V],
];

function branch(condition: string, uses: number, target: number): Instruction {
  return { ...simple(""), uses, ending: { kind: "branch", condition, target } };
}

const signed = (value: number, bits: number) => (value << (32 - bits)) >> (32 - bits);

/** BL; every other instruction of 32 bits is null. */
function wide(opcode: number, second: number, pc: number): Instruction | null {
  if (opcode >> 11 !== 0b11110 || (second & 0xd000) !== 0xd000) return null;
  const s = (opcode >> 10) & 1;
  const i1 = ((second >> 13) & 1) ^ s ^ 1;
  const i2 = ((second >> 11) & 1) ^ s ^ 1;
  const high = (s << 24) | (i1 << 23) | (i2 << 22) | ((opcode & 0x3ff) << 12);
  const offset = signed(high | ((second & 0x7ff) << 1), 25);
  const call = leave(`${(pc + 4 + offset) | 0}`, 3, `r14=${(pc + 5) | 0};`);
  return { ...call, bytes: 4 };
}

/**
 * One instruction.
 *
 * @param opcode its first 16 bits, `second` the next
 * @returns null for what is left to the interpreter: exceptions, barriers, special registers, the undefined
 */
export function decode(opcode: number, second: number, pc: number, memory: MemoryCode): Instruction | null {
  const [d, n, m] = [r(opcode & 7), r((opcode >> 3) & 7), r((opcode >> 6) & 7)];
  const wideRegister = r((opcode >> 8) & 7);
  const [imm5, imm8] = [(opcode >> 6) & 31, opcode & 255];
  const load = (kind: LoadKind, to: string, address: string) =>
    simple(`${to}=${memory.load(kind, address, pc)};`, 2);
  const store = (kind: StoreKind, from: string, address: string) =>
    simple(memory.store(kind, address, from, pc), 2);
  switch (opcode >> 11) {
    case 0:
    case 1:
    case 2:
      return shiftByConstant(opcode >> 11, d, n, imm5);
    case 3:
      return sum(d, n, opcode & 0x400 ? `${imm5 & 7}` : m, (opcode & 0x200) !== 0);
    case 4:
      return result(wideRegister, `${imm8}`);
    case 5:
      return sum(null, wideRegister, `${imm8}`, true);
    case 6:
      return sum(wideRegister, wideRegister, `${imm8}`, false);
    case 7:
      return sum(wideRegister, wideRegister, `${imm8}`, true);
    case 8:
      return opcode & 0x400 ? anyRegister(opcode, pc) : arithmetic(opcode);
    case 9:
      return simple(`${wideRegister}=${memory.literal(((pc + 4) & ~3) + 4 * imm8)};`, 2);
    case 10:
    case 11: {
      const kind = (opcode >> 9) & 7;
      const address = `${n}+${m}|0`;
      return LOADS[kind] ? load(LOADS[kind], d, address) : store(STORES[kind]!, d, address);
    }
    case 12:
      return store("i32", d, `${n}+${4 * imm5}|0`);
    case 13:
      return load("i32", d, `${n}+${4 * imm5}|0`);
    case 14:
      return store("u8", d, `${n}+${imm5}|0`);
    case 15:
      return load("u8", d, `${n}+${imm5}|0`);
    case 16:
      return store("u16", d, `${n}+${2 * imm5}|0`);
    case 17:
      return load("u16", d, `${n}+${2 * imm5}|0`);
    case 18:
      return store("i32", wideRegister, `r13+${4 * imm8}|0`);
    case 19:
      return load("i32", wideRegister, `r13+${4 * imm8}|0`);
    case 20:
      return simple(`${wideRegister}=${(((pc + 4) & ~3) + 4 * imm8) | 0};`);
    case 21:
      return simple(`${wideRegister}=r13+${4 * imm8}|0;`);
    case 22:
    case 23:
      return miscellaneous(opcode, pc, memory);
    case 24:
    case 25:
      return multiple(opcode, pc, memory);
    case 26:
    case 27: {
      const condition = CONDITIONS[(opcode >> 8) & 15];
      return condition ? branch(...condition, pc + 4 + 2 * signed(imm8, 8)) : null;
    }
    case 28:
      return branch("true", 0, pc + 4 + 2 * signed(opcode & 0x7ff, 11));
    default:
      return wide(opcode, second, pc);
  }
}
