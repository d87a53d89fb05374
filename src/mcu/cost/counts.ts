/** What the counts of several kernels are made of. */

/** The fields of a record. */
export type Fields = Readonly<Record<string, number>>;
/** How often a kernel does something, by what. */
export type Features = Readonly<Record<string, number>>;

/** Adds counts up. */
export class Counts {
  readonly all: Record<string, number> = {};

  add(counts: Features): void {
    for (const [name, count] of Object.entries(counts)) this.all[name] = (this.all[name] ?? 0) + count;
  }
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** For each output along a dimension, the taps of its window that lie inside the picture. */
export function taps(
  outputs: number,
  kernel: number,
  stride: number,
  dilation: number,
  padding: number,
  size: number,
): number[] {
  return Array.from({ length: outputs }, (_, i) => {
    let inside = 0;
    for (let k = 0; k < kernel; k++) {
      const at = i * stride - padding + k * dilation;
      if (at >= 0 && at < size) inside++;
    }
    return inside;
  });
}

/** Calls of memcpy, of which a share has both sides at a word: by 16 bytes, then words, then bytes. */
export function copied(calls: number, bytes: number, aligned: number): Features {
  return {
    copies: calls,
    alignedCopies: calls * aligned,
    copiedBlocks: calls * aligned * Math.floor(bytes / 16),
    copiedWords: calls * aligned * Math.floor((bytes % 16) / 4),
    copiedBytes: calls * (aligned * (bytes % 4) + (1 - aligned) * bytes),
  };
}

/** Calls of memset, at a word. */
export function filled(calls: number, bytes: number): Features {
  return {
    fills: calls,
    filledWords: calls * Math.floor(bytes / 4),
    filledBytes: calls * (bytes % 4),
  };
}
