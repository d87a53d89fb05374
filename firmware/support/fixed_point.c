#include "fixed_point.h"

#include "requantize.h"

/* x * 2^bits, saturated to int32. */
static int32_t saturating_shift_left(int32_t x, int32_t bits) {
  const int32_t limit = INT32_MAX >> bits;
  if (x > limit) return INT32_MAX;
  if (x < -limit - 1) return INT32_MIN;
  return (int32_t)((uint32_t)x << bits);
}

int32_t exp_of_negative(int32_t a) {
  /* exp(-2^k) in Q0.31 for k = -2 ... 4: the bits of the whole quarters choose among them. */
  static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int32_t quarter = 1 << 24;
  if (a == 0) return INT32_MAX;
  const int32_t in_quarter = (a & (quarter - 1)) - quarter;
  const int32_t quarters = in_quarter - a;
  const int32_t x = in_quarter * 32 + (1 << 28);
  const int32_t x2 = high_product(x, x);
  const int32_t x3 = high_product(x2, x);
  const int32_t x4 = high_product(x2, x2);
  const int32_t cubic = high_product(rounding_shift_right(x4, 2) + x3, 715827883);
  const int32_t tail = rounding_shift_right(cubic + x2, 1);
  int32_t result = 1895147668 + high_product(1895147668, x + tail);
  for (int32_t i = 0; i < 7; i++) {
    if ((quarters & (quarter << i)) != 0) result = high_product(result, factors[i]);
  }
  return result;
}

int32_t reciprocal_of_one_plus(int32_t a) {
  /* (a + 2^31) / 2 without a 33rd bit. */
  const int32_t half = (int32_t)(((uint32_t)a >> 1) + 0x40000000u);
  int32_t x = 1515870810 + high_product(half, -1010580540);
  for (int32_t step = 0; step < 3; step++) {
    x += saturating_shift_left(high_product(x, (1 << 29) - high_product(half, x)), 2);
  }
  return saturating_shift_left(x, 1);
}
