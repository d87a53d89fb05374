/* The taps [first, last) of a sliding window that lie inside the picture, along one dimension. */
#ifndef THUMBNET_WINDOW_H
#define THUMBNET_WINDOW_H

#include <stdint.h>

/* For a window that begins at `start` (negative in the padding). Divides only where it must. */
static inline int32_t first_tap(int32_t start, int32_t dilation) {
  if (start >= 0) return 0;
  return dilation == 1 ? -start : (dilation - 1 - start) / dilation;
}

/* One past the last tap inside; may be below the first, when none is. */
static inline int32_t last_tap(int32_t start, int32_t dilation, int32_t size, int32_t taps) {
  const int32_t room = size - start;
  if (room <= 0) return 0;
  const int32_t inside = dilation == 1 ? room : (room + dilation - 1) / dilation;
  return inside < taps ? inside : taps;
}

#endif
