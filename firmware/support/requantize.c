#include "requantize.h"

#ifndef __ARM_ARCH_6M__

int32_t high_product(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) return high_product((int32_t)((uint32_t)x << shift), multiplier);
  return rounding_shift_right(high_product(x, multiplier), -shift);
}

#endif
