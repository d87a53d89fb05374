#include "dot.h"

#ifndef __ARM_ARCH_6M__

void dot_four(const int32_t *x, const int8_t *weights, int32_t pairs, int32_t sums[4]) {
  for (int32_t o = 0; o < 4; o++) sums[o] = 0;
  for (int32_t pair = 0; pair < pairs; pair++) {
    for (int32_t o = 0; o < 4; o++) sums[o] += x[0] * weights[2 * o] + x[1] * weights[2 * o + 1];
    x += 2;
    weights += 8;
  }
}

#endif
