import { ThumbnetError } from "../../errors.ts";
import { formatShape } from "../../graph/shape.ts";

/** Records hold at most this many dimensions. */
const MAX_DIMENSIONS = 4;

export interface MergedDimensions {
  /** Exactly four, outermost first; the unused leading ones are 1. */
  readonly dimensions: readonly [number, number, number, number];
  /** For each role a bit mask: bit d is set where that role holds along dimension d. */
  readonly masks: readonly number[];
}

/**
 * Merges adjacent dimensions that play the same roles (all broadcast, all reduced, …), so that kernels need
 * four dimensions at most. Dimensions of one element take whatever role their neighbours have.
 *
 * @param shape the full shape
 * @param roles for each role, whether it holds along each dimension of `shape`
 */
export function mergeDimensions(
  shape: readonly number[],
  roles: readonly (readonly boolean[])[],
): MergedDimensions {
  const merged: { size: number; key: string; roles: boolean[] }[] = [];
  shape.forEach((size, d) => {
    if (size === 1) return;
    const own = roles.map((role) => role[d]!);
    const key = own.join();
    const last = merged.at(-1);
    if (last && last.key === key) last.size *= size;
    else merged.push({ size, key, roles: own });
  });
  if (merged.length > MAX_DIMENSIONS) {
    throw new ThumbnetError(
      `shape ${formatShape(shape)} needs ${merged.length} separate dimensions, at most ${MAX_DIMENSIONS} are supported`,
    );
  }
  const unused = MAX_DIMENSIONS - merged.length;
  const dimensions = [...Array<number>(unused).fill(1), ...merged.map((m) => m.size)];
  const masks = roles.map((_, r) =>
    merged.reduce((mask, m, d) => (m.roles[r] ? mask | (1 << (unused + d)) : mask), 0),
  );
  return { dimensions: dimensions as [number, number, number, number], masks };
}

/** The fields `dim0` … `dim3` of a record. */
export function dimensionFields([dim0, dim1, dim2, dim3]: MergedDimensions["dimensions"]) {
  return { dim0, dim1, dim2, dim3 };
}
