/*
 * Three sums in two words, so that two multiplications make three products. For inputs a, b, c in [0, 255]
 *
 *   word 0 = a + b * 2^21        word 1 = c + b * 2^10        (modulo 2^32)
 *
 * and sums of words times weights hold the three sums likewise. They can be told apart while each is in
 * [-2^20, 2^20): whatever the weights, for up to LANE_INPUTS inputs.
 */
#ifndef THUMBNET_LANES_H
#define THUMBNET_LANES_H

#include <stdint.h>

/* 32 * 255 * 128 < 2^20 */
#define LANE_INPUTS 32

typedef struct {
  int32_t a;
  int32_t b;
  int32_t c;
} lanes;

/* The low 21 bits with their sign. */
static inline int32_t low_lane(uint32_t word) {
  return (int32_t)(word << 11) >> 11;
}

/* Word 0 gives a and the low 11 bits of b; with those taken off, word 1 gives c and the other bits of b. */
static inline lanes split_lanes(uint32_t word0, uint32_t word1) {
  lanes sums;
  sums.a = low_lane(word0);
  const uint32_t b_low = word0 - (uint32_t)sums.a;
  const uint32_t rest = word1 - (b_low >> 11);
  sums.c = low_lane(rest);
  const int32_t b_high = (int32_t)(rest - (uint32_t)sums.c);
  sums.b = (int32_t)(b_low >> 21) + (b_high >> 10);
  return sums;
}

#endif
