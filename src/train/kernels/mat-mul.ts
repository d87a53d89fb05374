/** Matrix product, [..., M, K] x [..., K, N], either transposed: assembly/train/gemm.ts. */
import { ThumbnetError } from "../../errors.ts";
import { elementCount } from "../../graph/shape.ts";
import { areFloat, type Kernel } from "./kernel.ts";

/** Batches are equal, or one side has none. Both transposed at once is left to the stock kernel. */
export const matMul: Kernel = (heap, { a, b }, { transposeA, transposeB }) => {
  if (!areFloat(a, b) || (transposeA && transposeB)) return null;
  const [outerA, outerB] = [a!.shape.slice(0, -2), b!.shape.slice(0, -2)];
  const [batchA, batchB] = [elementCount(outerA), elementCount(outerB)];
  if (batchA !== batchB && batchA !== 1 && batchB !== 1) return null;
  if (batchA === batchB && outerA.join() !== outerB.join()) return null;
  const outer = batchA >= batchB ? outerA : outerB;
  if (outer.length < Math.max(outerA.length, outerB.length)) return null;

  const [rowsA, columnsA] = a!.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b!.shape.slice(-2) as [number, number];
  const [rows, depth] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [depthB, columns] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  if (depth !== depthB) throw new ThumbnetError(`matMul: [${a!.shape}] does not fit [${b!.shape}]`);

  const { kernels } = heap;
  const c = heap.output([...outer, rows, columns]);
  const packed = transposeA ? 0 : heap.scratch(kernels.packedFloats(depth, columns));
  const [startA, startB, startC] = [heap.address(a!), heap.address(b!), heap.address(c)];
  for (let i = 0; i < Math.max(batchA, batchB); i++) {
    const fromA = startA + (batchA === 1 ? 0 : i) * rows * depth * 4;
    const fromB = startB + (batchB === 1 ? 0 : i) * depth * columns * 4;
    const to = startC + i * rows * columns * 4;
    if (transposeA) {
      heap.clear(to, rows * columns);
      kernels.multiplyTransposed(fromA, fromB, to, depth, rows, columns);
      continue;
    }
    if (i === 0 || batchB > 1) {
      if (transposeB) kernels.packTransposed(packed, fromB, depth, columns);
      else kernels.pack(packed, fromB, depth, columns);
    }
    kernels.multiply(fromA, packed, to, rows, depth, columns);
  }
  return c;
};
