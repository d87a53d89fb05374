/*
 * x * multiplier * 2^(shift - 31): left shift in 32 bits, high product rounded with ties up, then a right shift
 * rounded with ties away from zero. Two roundings, as CMSIS-NN and tflite-micro do it; see docs/arithmetic.md.
 */
#ifndef THUMBNET_REQUANTIZE_H
#define THUMBNET_REQUANTIZE_H

#include <stdint.h>

/*
 * floor((a * b + 2^30) / 2^31), for any a and b but both -2^31. ARMv6-M multiplies 32 x 32 to 32 bits only: the
 * 64-bit product is put together from 16-bit halves, which is a third of what a 64-bit multiplication costs.
 */
static inline int32_t high_product(int32_t a, int32_t b) {
  const uint32_t a_low = (uint32_t)a & 0xffffu;
  const uint32_t b_low = (uint32_t)b & 0xffffu;
  const int32_t a_high = a >> 16;
  const int32_t b_high = b >> 16;
  const int32_t upper = a_high * (int32_t)b_low + (int32_t)((a_low * b_low) >> 16);
  const int32_t lower = (int32_t)((uint32_t)upper & 0xffffu) + (int32_t)a_low * b_high;
  const int32_t high = a_high * b_high + (upper >> 16) + (lower >> 16);
  /* Bits 30 and 31 of the product decide the rounding: they are bits 14 and 15 of `lower`. */
  const uint32_t rounded = ((uint32_t)lower & 0xffffu) + 0x4000u;
  return (int32_t)((uint32_t)high << 1) + (int32_t)(rounded >> 15);
}

/* x / 2^exponent, ties away from zero; exponent 0 ... 31. */
static inline int32_t rounding_shift_right(int32_t x, int32_t exponent) {
  const uint32_t mask = (1u << exponent) - 1u;
  const uint32_t threshold = (mask >> 1) + (x < 0 ? 1u : 0u);
  return (x >> exponent) + (((uint32_t)x & mask) > threshold ? 1 : 0);
}

static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) return high_product((int32_t)((uint32_t)x << shift), multiplier);
  return rounding_shift_right(high_product(x, multiplier), -shift);
}

/*
 * The same result from sums that the planner has gone through: how far it lies above the least output, before the
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
