/*
 * x * multiplier * 2^(shift - 31): left shift in 32 bits, high product rounded with ties up, then a right shift
 * rounded with ties away from zero. Two roundings, as CMSIS-NN and tflite-micro do it; see docs/arithmetic.md.
 */
#ifndef THUMBNET_REQUANTIZE_H
#define THUMBNET_REQUANTIZE_H

#include <stdint.h>

/* requantize.c and requantize_armv6m.S do the same; the second is for the chip. */

/* floor((a * b + 2^30) / 2^31), for any a and b but both -2^31. */
int32_t high_product(int32_t a, int32_t b);

/* shift: positive = left, -31 at least. */
int32_t requantize(int32_t x, int32_t multiplier, int32_t shift);

/* x / 2^exponent, ties away from zero; exponent 0 ... 31. */
static inline int32_t rounding_shift_right(int32_t x, int32_t exponent) {
  const uint32_t mask = (1u << exponent) - 1u;
  const uint32_t threshold = (mask >> 1) + (x < 0 ? 1u : 0u);
  return (x >> exponent) + (((uint32_t)x & mask) > threshold ? 1 : 0);
}

/*
 * requantize(x, multiplier, -right) for a multiplier >= 0, given in halves, and right >= 1: where its parts stay in
 * registers. The product's upper bits are 2 * x_upper * upper, and those of the other products and of the rounding, which
 * add up to 33 bits: the one with a sign gives its own apart.
 */
static inline int32_t requantize_right(int32_t x, int32_t upper, uint32_t lower, int32_t right) {
  const int32_t x_upper = x >> 16;
  const uint32_t x_lower = (uint32_t)x & 0xffffu;
  const int32_t middle = x_upper * (int32_t)lower;
  const uint32_t rest = x_lower * (uint32_t)upper + (x_lower * lower >> 16) + (1u << 14) + ((uint32_t)middle & 0x7fffu);
  const int32_t product = 2 * (x_upper * upper) + (middle >> 15) + (int32_t)(rest >> 15);
  /* Ties away from zero: those of negative numbers are no longer ties. */
  return (((product + (product >> 31)) >> (right - 1)) + 1) >> 1;
}

/*
 * What requantize and more give, for sums that the planner has gone through: how far the result lies above the least output, before the
 * clamp. The products and the sum of them may wrap, the result does not.
 */
static inline int32_t two_part(int32_t sum, int32_t high, int32_t low, int32_t offset, int32_t product_shift,
                               int32_t output_shift) {
  const int32_t fine = (sum * low) >> product_shift;
  const uint32_t value = (uint32_t)sum * (uint32_t)high + (uint32_t)fine + (uint32_t)offset;
  return (int32_t)value >> output_shift;
}

/* x clamped to [0, high]: mostly one comparison. */
static inline int32_t clamp_from_zero(int32_t x, int32_t high) {
  if ((uint32_t)x <= (uint32_t)high) return x;
  return x < 0 ? 0 : high;
}

static inline int32_t clamp(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}

#endif
