/*
 * Sum or difference of two int8 tensors that broadcast: both rescaled to a common scale in int32, added or
 * subtracted, rescaled to the output's; or, where the planner has found constants, all of it in one step. The output may
 * lie on an input of its size. See docs/arithmetic.md.
 */
#include "../support/broadcast.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

/* Both inputs are scaled up by 2^20 before they are rescaled. */
#define PRODUCT_SHIFT (31 - 20)

/*
 * requantize(x * 2^20, multiplier, shift) for |x| <= 255, in 32 bits: the lower 16 bits of the multiplier apart, as x times
 * the upper ones loses nothing when it is shifted.
 */
typedef struct {
  int32_t high;
  int32_t low;
  int32_t half;
  int32_t shift;
} factor;

static factor factor_of(int32_t multiplier, int32_t shift) {
  const factor f = {
      .high = (multiplier >> 16) << (16 - PRODUCT_SHIFT),
      .low = multiplier & 0xffff,
      .half = shift < 0 ? 1 << (-shift - 1) : 0,
      .shift = -shift,
  };
  return f;
}

static inline int32_t rescale(int32_t x, const factor *f) {
  const int32_t value = x * f->high + ((x * f->low + (1 << (PRODUCT_SHIFT - 1))) >> PRODUCT_SHIFT);
  /* Ties away from zero. */
  return f->half == 0 ? value : (value + f->half - (value < 0 ? 1 : 0)) >> f->shift;
}

typedef struct {
  const add_s8_record *record;
  factor a;
  factor b;
} operands;

static void add_row(const void *context, const int8_t *a, const int8_t *b, int8_t *output, uint32_t count,
                    uint32_t step_a, uint32_t step_b) {
  const operands *both = (const operands *)context;
  const add_s8_record *r = both->record;
  const int32_t zero_a = r->input_zero_point, zero_b = r->input2_zero_point;
  const int32_t subtract = r->subtract;
  for (const int8_t *end = output + count; output != end; output++) {
    const int32_t left = rescale(*a - zero_a, &both->a);
    const int32_t right = rescale(*b - zero_b, &both->b);
    const int32_t sum = subtract != 0 ? left - right : left + right;
    const int32_t value = requantize(sum, r->output_multiplier, r->output_shift) + r->output_zero_point;
    *output = (int8_t)clamp(value, r->activation_min, r->activation_max);
    a += step_a;
    b += step_b;
  }
}

/* The same with the planner's constants. What is repeated over the row is part of the offset. */
static void add_row_linear(const void *context, const int8_t *a, const int8_t *b, int8_t *output, uint32_t count,
                           uint32_t step_a, uint32_t step_b) {
  const add_s8_record *r = (const add_s8_record *)context;
  int32_t factor_a = r->factor1, factor_b = r->factor2, offset = r->sum_offset;
  const int32_t shift = r->sum_shift, low = r->activation_min, most = r->activation_max - low;
  if (step_a == 0) {
    offset += *a * factor_a;
    factor_a = 0;
    a = b;
  } else if (step_b == 0) {
    offset += *b * factor_b;
    factor_b = 0;
    b = a;
  }
  for (uint32_t i = 0; i < count; i++) {
    int32_t value = (a[i] * factor_a + b[i] * factor_b + offset) >> shift;
    /* Takes the same time whatever the value. */
    value &= ~(value >> 31);
    if (value > most) value = most;
    output[i] = (int8_t)(value + low);
  }
}

void add_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const add_s8_record *r = (const add_s8_record *)record;
  (void)scratch;
  const uint32_t size[4] = {r->dim0, r->dim1, r->dim2, r->dim3};
  const operands both = {
      .record = r,
      .a = factor_of(r->multiplier1, r->shift1),
      .b = factor_of(r->multiplier2, r->shift2),
  };
  const int is_linear = r->sum_shift != 0;
  broadcast_rows(is_linear ? (const void *)r : &both, is_linear ? add_row_linear : add_row, size, r->broadcast1,
                 r->broadcast2, operand_address(r->input, image, arena), operand_address(r->input2, image, arena),
                 output_address(r->output, arena));
}
