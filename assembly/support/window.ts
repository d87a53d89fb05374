/** The taps [first, last) of a sliding window that lie inside the picture, along one dimension. */

/** For a window that begins at `start` (negative in the padding). */
// @ts-ignore: decorator
@inline
export function firstTap(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** One past the last tap inside; may be below the first, when none is. */
// @ts-ignore: decorator
@inline
export function lastTap(start: i32, dilation: i32, size: i32, taps: i32): i32 {
  return start >= size ? 0 : min(taps, (size - start + dilation - 1) / dilation);
}
