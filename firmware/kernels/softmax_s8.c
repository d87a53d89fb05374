/*
 * Softmax over rows [rows, depth] of int8, output scale 1/256 and zero point -128, in fixed point. The output may lie
 * on the input. See docs/arithmetic.md.
 */
#include "../support/fixed_point.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

/* Integer bits of the sum of a row's exponentials. */
#define SUM_INTEGER_BITS 12

static int32_t exponential(const softmax_s8_record *r, int32_t difference) {
  return exp_of_negative(high_product((int32_t)((uint32_t)difference << r->left_shift), r->multiplier));
}

static int32_t leading_zeros(uint32_t x) {
  int32_t zeros = 0;
  while (x < 0x80000000u) {
    x <<= 1;
    zeros++;
  }
  return zeros;
}

static void softmax_row(const softmax_s8_record *r, const int8_t *input, int8_t *output) {
  const int32_t depth = (int32_t)r->depth;
  int32_t maximum = -128;
  for (int32_t i = 0; i < depth; i++) {
    if (input[i] > maximum) maximum = input[i];
  }
  int32_t sum = 0;
  for (int32_t i = 0; i < depth; i++) {
    const int32_t difference = input[i] - maximum;
    if (difference >= r->diff_min) sum += rounding_shift_right(exponential(r, difference), SUM_INTEGER_BITS);
  }
  /* The largest element alone makes the sum 2^19: it is never 0. */
  const int32_t zeros = leading_zeros((uint32_t)sum);
  const int32_t scale = reciprocal_of_one_plus((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));
  const int32_t shift = SUM_INTEGER_BITS - zeros + 23;
  for (int32_t i = 0; i < depth; i++) {
    const int32_t difference = input[i] - maximum;
    int32_t value = -128;
    /* Where the shift would pass 31, the sum is 512 and more: no element reaches half a step. */
    if (difference >= r->diff_min && shift <= 31) {
      value += rounding_shift_right(high_product(scale, exponential(r, difference)), shift);
    }
    output[i] = (int8_t)(value > 127 ? 127 : value);
  }
}

void softmax_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const softmax_s8_record *r = (const softmax_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (uint32_t row = 0; row < r->rows; row++) {
    softmax_row(r, input, output);
    input += r->depth;
    output += r->depth;
  }
}
