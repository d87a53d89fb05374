/** Rows of weights in the image, dense or sparse; what kernels without vectors need of them. */
import { CHANNELS } from "./channels";
import { Requantization } from "./records";
import { packStarts } from "./requantization";

/** Bytes of an output channel's weights in the image: whole words, filled up in front. */
// @ts-ignore: decorator
@inline
export function weightRow(depth: i32): i32 {
  return (depth + 3) & ~3;
}

/** The weights of one output channel, dense or sparse, to `target`, as in a dense row. Returns the next channel's. */
export function expandRow(weights: usize, depth: i32, sparse: bool, target: usize): usize {
  const stride = weightRow(depth);
  if (!sparse) {
    memory.copy(target, weights, stride);
    return weights + stride;
  }
  memory.fill(target, 0, stride);
  target += stride - depth;
  let pair = weights + 2;
  const end = pair + (<usize>load<u16>(weights) << 1);
  for (; pair < end; pair += 2) {
    target += load<u8>(pair, 1);
    store<i8>(target++, load<i8>(pair));
  }
  return end;
}

/** Room for the rows of a block while they are packed. */
export function rowsBytes(depth: i32): usize {
  return <usize>CHANNELS * weightRow(depth);
}

/** What kernels without vectors need: where sums start, i32 for each channel; then sparse weights as dense rows. */
export function plainBytes(channels: i32, depth: i32, sparse: bool): usize {
  return (<usize>channels << 2) + (sparse ? <usize>channels * weightRow(depth) : 0);
}

export function plainRows(packed: usize, channels: i32): usize {
  return packed + (<usize>channels << 2);
}

export function packPlain(packed: usize, t: Requantization, weights: usize, depth: i32, sparse: bool): void {
  const channels = <i32>t.channels;
  const stride = weightRow(depth);
  if (sparse) {
    const rows = plainRows(packed, channels);
    for (let c = 0; c < channels; c++) weights = expandRow(weights, depth, true, rows + <usize>c * stride);
    weights = rows;
  }
  packStarts(packed, t, weights + (stride - depth), depth, 1, stride, 0, 0);
}
