/** What planning asks of weights: here as JavaScript that runs for the first time takes some fifty times as long. */

/**
 * For each row of weights the least and the most that the sum of (w - zero point) * x can be, and how many w differ from
 * the zero point. A row has `taps` times `depth` weights, `stride` bytes apart, rows lie `rowStride` apart; each of
 * `groups` equal groups of rows has its own `depth` of the inputs, which are from `low` to `high`, int32 both.
 *
 * @param sums float64 [3, rows]
 */
export function sumRows(
  weights: usize,
  rows: i32,
  rowStride: i32,
  stride: i32,
  taps: i32,
  depth: i32,
  zeroPoint: i32,
  groups: i32,
  low: usize,
  high: usize,
  sums: usize,
): void {
  const perGroup = rows / groups;
  const bytes = <usize>rows << 3;
  for (let row = 0; row < rows; row++) {
    const first = <usize>(row / perGroup) * depth;
    const lows = low + (first << 2), highs = high + (first << 2);
    let at = weights + <usize>row * rowStride;
    let least: i64 = 0, most: i64 = 0;
    let count = 0;
    for (let tap = 0; tap < taps; tap++) {
      for (let k: usize = 0; k < <usize>depth; k++) {
        const w = <i32>load<i8>(at) - zeroPoint;
        at += stride;
        if (w == 0) continue;
        const a = w * load<i32>(lows + (k << 2)), b = w * load<i32>(highs + (k << 2));
        least += <i64>min(a, b);
        most += <i64>max(a, b);
        count++;
      }
    }
    store<f64>(sums, <f64>least);
    store<f64>(sums + bytes, <f64>most);
    store<f64>(sums + 2 * bytes, <f64>count);
    sums += 8;
  }
}

/**
 * Of rows of `size` weights those at the `count` indices `kept`, int32, and in each `depth` of them those at the
 * `leftCount` indices `left`.
 */
export function gatherWeights(
  weights: usize,
  size: i32,
  depth: i32,
  kept: usize,
  count: i32,
  left: usize,
  leftCount: i32,
  gathered: usize,
): void {
  for (let i = 0; i < count; i++) {
    let from = weights + <usize>load<i32>(kept + (<usize>i << 2)) * size;
    for (const end = from + size; from < end; from += depth) {
      for (let n = 0; n < leftCount; n++) {
        store<u8>(gathered++, load<u8>(from + load<i32>(left + (<usize>n << 2))));
      }
    }
  }
}
