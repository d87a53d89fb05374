/*
 * Products of int8 vectors: two rows of weights with two columns of input at once, so that each element that is
 * loaded (2 cycles) serves two multiplications (1 cycle).
 */
#ifndef THUMBNET_DOT_H
#define THUMBNET_DOT_H

#include <stdint.h>

/* sums[p][c] = sum over k of x_p[k] * w_c[k], added to what is there. */
static inline void dot_2x2(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t depth,
                           int32_t sums[2][2]) {
  int32_t s00 = sums[0][0], s01 = sums[0][1], s10 = sums[1][0], s11 = sums[1][1];
  for (int32_t k = 0; k < depth; k++) {
    const int32_t a = x0[k], b = x1[k], v = w0[k], w = w1[k];
    s00 += a * v;
    s01 += a * w;
    s10 += b * v;
    s11 += b * w;
  }
  sums[0][0] = s00;
  sums[0][1] = s01;
  sums[1][0] = s10;
  sums[1][1] = s11;
}

static inline void dot_1x2(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t depth, int32_t sums[2]) {
  int32_t s0 = sums[0], s1 = sums[1];
  for (int32_t k = 0; k < depth; k++) {
    const int32_t a = x[k];
    s0 += a * w0[k];
    s1 += a * w1[k];
  }
  sums[0] = s0;
  sums[1] = s1;
}

#endif
