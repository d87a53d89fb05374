/**
 * Matrix products, all row-major float32. The right factor is packed first: panels of 8 columns, each
 * [depth][8], the last one filled up with zeros, so that the inner loop reads one stream.
 */
import { FLOAT, loadPart, multiplyAdd, storePart } from "./vector";

const PANEL: i32 = 8;

/** Floats of a packed right factor [depth, columns]. */
export function packedFloats(depth: i32, columns: i32): i32 {
  return ((columns + PANEL - 1) & ~(PANEL - 1)) * depth;
}

/** Packs b [depth, columns]. */
export function pack(packed: usize, b: usize, depth: i32, columns: i32): void {
  const row = <usize>columns * FLOAT;
  for (let first = 0; first < columns; first += PANEL) {
    const count = min(PANEL, columns - first);
    let from = b + <usize>first * FLOAT;
    for (let k = 0; k < depth; k++) {
      if (count == PANEL) {
        v128.store(packed, v128.load(from));
        v128.store(packed, v128.load(from, 16), 16);
      } else {
        v128.store(packed, loadPart(from, count));
        v128.store(packed, count > 4 ? loadPart(from + 16, count - 4) : f32x4.splat(0), 16);
      }
      from += row;
      packed += <usize>PANEL * FLOAT;
    }
  }
}

/** Packs the transpose of b [columns, depth]. */
export function packTransposed(packed: usize, b: usize, depth: i32, columns: i32): void {
  for (let first = 0; first < columns; first += PANEL) {
    for (let i = 0; i < PANEL; i++) {
      let to = packed + <usize>i * FLOAT;
      let from = b + <usize>(first + i) * depth * FLOAT;
      for (let k = 0; k < depth; k++) {
        store<f32>(to, first + i < columns ? load<f32>(from) : 0);
        from += FLOAT;
        to += <usize>PANEL * FLOAT;
      }
    }
    packed += <usize>depth * PANEL * FLOAT;
  }
}

// @ts-ignore: decorator
@inline
function storeRow(c: usize, low: v128, high: v128, count: i32): void {
  if (count >= PANEL) {
    v128.store(c, low);
    v128.store(c, high, 16);
  } else {
    storePart(c, low, count);
    if (count > 4) storePart(c + 16, high, count - 4);
  }
}

/** c [rows, columns] = a [rows, depth] * b, b packed. */
export function multiply(a: usize, packed: usize, c: usize, rows: i32, depth: i32, columns: i32): void {
  const aRow = <usize>depth * FLOAT;
  const cRow = <usize>columns * FLOAT;
  const panelBytes = <usize>depth * PANEL * FLOAT;
  for (; rows >= 4; rows -= 4) {
    let panel = packed;
    for (let first = 0; first < columns; first += PANEL) {
      tile4(a, aRow, panel, c + <usize>first * FLOAT, cRow, columns - first);
      panel += panelBytes;
    }
    a += 4 * aRow;
    c += 4 * cRow;
  }
  for (; rows > 0; rows--) {
    let panel = packed;
    for (let first = 0; first < columns; first += PANEL) {
      tile1(a, aRow, panel, c + <usize>first * FLOAT, columns - first);
      panel += panelBytes;
    }
    a += aRow;
    c += cRow;
  }
}

/** Four rows of one panel. */
// @ts-ignore: decorator
@inline
function tile4(a: usize, aRow: usize, panel: usize, c: usize, cRow: usize, count: i32): void {
  let a0 = a, a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
  const end = a1;
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  while (a0 < end) {
    const low = v128.load(panel), high = v128.load(panel, 16);
    let x = v128.load_splat<f32>(a0);
    c00 = multiplyAdd(c00, low, x);
    c01 = multiplyAdd(c01, high, x);
    x = v128.load_splat<f32>(a1);
    c10 = multiplyAdd(c10, low, x);
    c11 = multiplyAdd(c11, high, x);
    x = v128.load_splat<f32>(a2);
    c20 = multiplyAdd(c20, low, x);
    c21 = multiplyAdd(c21, high, x);
    x = v128.load_splat<f32>(a3);
    c30 = multiplyAdd(c30, low, x);
    c31 = multiplyAdd(c31, high, x);
    a0 += FLOAT;
    a1 += FLOAT;
    a2 += FLOAT;
    a3 += FLOAT;
    panel += <usize>PANEL * FLOAT;
  }
  storeRow(c, c00, c01, count);
  storeRow(c + cRow, c10, c11, count);
  storeRow(c + 2 * cRow, c20, c21, count);
  storeRow(c + 3 * cRow, c30, c31, count);
}

// @ts-ignore: decorator
@inline
function tile1(a: usize, aRow: usize, panel: usize, c: usize, count: i32): void {
  const end = a + aRow;
  let low = f32x4.splat(0), high = low;
  for (; a < end; a += FLOAT) {
    const x = v128.load_splat<f32>(a);
    low = multiplyAdd(low, v128.load(panel), x);
    high = multiplyAdd(high, v128.load(panel, 16), x);
    panel += <usize>PANEL * FLOAT;
  }
  storeRow(c, low, high, count);
}

/** Rows, and columns of either factor, that are worked on together: three blocks fit the first-level cache. */
const BLOCK: i32 = 64;

/**
 * c [m, n] += transpose of a [rows, m] * b [rows, n]. Each block of rows is summed on its own before it is added,
 * which keeps the rounding errors of long sums small.
 */
export function multiplyTransposed(a: usize, b: usize, c: usize, rows: i32, m: i32, n: i32): void {
  const aRow = <usize>m * FLOAT;
  const bRow = <usize>n * FLOAT;
  for (; rows > 0; rows -= BLOCK) {
    const count = min(rows, BLOCK);
    for (let i = 0; i < m; i += BLOCK) {
      for (let j = 0; j < n; j += BLOCK) {
        const from = a + <usize>i * FLOAT;
        const to = c + <usize>(i * n + j) * FLOAT;
        block(from, aRow, b + <usize>j * FLOAT, bRow, to, count, min(BLOCK, m - i), min(BLOCK, n - j));
      }
    }
    a += <usize>BLOCK * aRow;
    b += <usize>BLOCK * bRow;
  }
}

function block(a: usize, aRow: usize, b: usize, bRow: usize, c: usize, rows: i32, m: i32, n: i32): void {
  let i = 0;
  for (; i + 4 <= m; i += 4) {
    let j = 0;
    for (; j + PANEL <= n; j += PANEL) outer4x8(a, aRow, b + <usize>j * FLOAT, bRow, c + <usize>j * FLOAT, rows);
    for (; j < n; j += 4) outer4x4(a, aRow, b + <usize>j * FLOAT, bRow, c + <usize>j * FLOAT, rows, n - j);
    a += 4 * FLOAT;
    c += 4 * bRow;
  }
  for (; i < m; i++) {
    for (let j = 0; j < n; j += 4) outer1x4(a, aRow, b + <usize>j * FLOAT, bRow, c + <usize>j * FLOAT, rows, n - j);
    a += FLOAT;
    c += bRow;
  }
}

// @ts-ignore: decorator
@inline
function outer4x8(a: usize, aRow: usize, b: usize, bRow: usize, c: usize, rows: i32): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  for (; rows > 0; rows--) {
    const low = v128.load(b), high = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = multiplyAdd(c00, low, x);
    c01 = multiplyAdd(c01, high, x);
    x = v128.load_splat<f32>(a, 4);
    c10 = multiplyAdd(c10, low, x);
    c11 = multiplyAdd(c11, high, x);
    x = v128.load_splat<f32>(a, 8);
    c20 = multiplyAdd(c20, low, x);
    c21 = multiplyAdd(c21, high, x);
    x = v128.load_splat<f32>(a, 12);
    c30 = multiplyAdd(c30, low, x);
    c31 = multiplyAdd(c31, high, x);
    a += aRow;
    b += bRow;
  }
  addRow(c, c00, c01);
  addRow(c + bRow, c10, c11);
  addRow(c + 2 * bRow, c20, c21);
  addRow(c + 3 * bRow, c30, c31);
}

// @ts-ignore: decorator
@inline
function addRow(c: usize, low: v128, high: v128): void {
  v128.store(c, f32x4.add(v128.load(c), low));
  v128.store(c, f32x4.add(v128.load(c, 16), high), 16);
}

// @ts-ignore: decorator
@inline
function addPart(c: usize, sum: v128, count: i32): void {
  storePart(c, f32x4.add(loadPart(c, count), sum), count);
}

function outer4x4(a: usize, aRow: usize, b: usize, bRow: usize, c: usize, rows: i32, count: i32): void {
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  for (; rows > 0; rows--) {
    const y = loadPart(b, count);
    c0 = multiplyAdd(c0, y, v128.load_splat<f32>(a));
    c1 = multiplyAdd(c1, y, v128.load_splat<f32>(a, 4));
    c2 = multiplyAdd(c2, y, v128.load_splat<f32>(a, 8));
    c3 = multiplyAdd(c3, y, v128.load_splat<f32>(a, 12));
    a += aRow;
    b += bRow;
  }
  addPart(c, c0, count);
  addPart(c + bRow, c1, count);
  addPart(c + 2 * bRow, c2, count);
  addPart(c + 3 * bRow, c3, count);
}

function outer1x4(a: usize, aRow: usize, b: usize, bRow: usize, c: usize, rows: i32, count: i32): void {
  let sum = f32x4.splat(0);
  for (; rows > 0; rows--) {
    sum = multiplyAdd(sum, loadPart(b, count), v128.load_splat<f32>(a));
    a += aRow;
    b += bRow;
  }
  addPart(c, sum, count);
}
