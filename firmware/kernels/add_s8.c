/*
 * Sum or difference of two int8 tensors that broadcast: both rescaled to a common scale in int32, added or
 * subtracted, rescaled to the output's. The output may lie on an input of its size. See docs/arithmetic.md.
 */
#include "../support/broadcast.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

/*
 * requantize(x * 2^left_shift, multiplier, shift) for |x| <= 255 and left_shift >= 15, in 32 bits: the lower 16 bits of the
 * multiplier apart, as x times the upper ones loses nothing when it is shifted.
 */
typedef struct {
  int32_t high;
  int32_t low;
  int32_t round_product;
  int32_t product_shift;
  int32_t half;
  int32_t shift;
} factor;

static factor factor_of(int32_t multiplier, int32_t shift, int32_t left_shift) {
  const int32_t product_shift = 31 - left_shift;
  const factor f = {
      .high = (multiplier >> 16) << (16 - product_shift),
      .low = multiplier & 0xffff,
      .round_product = (1 << product_shift) >> 1,
      .product_shift = product_shift,
      .half = shift < 0 ? 1 << (-shift - 1) : 0,
      .shift = -shift,
  };
  return f;
}

static inline int32_t rescale(int32_t x, const factor *f) {
  const int32_t value = x * f->high + ((x * f->low + f->round_product) >> f->product_shift);
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

void add_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const add_s8_record *r = (const add_s8_record *)record;
  (void)scratch;
  const uint32_t size[4] = {r->dim0, r->dim1, r->dim2, r->dim3};
  const operands both = {
      .record = r,
      .a = factor_of(r->multiplier1, r->shift1, r->left_shift),
      .b = factor_of(r->multiplier2, r->shift2, r->left_shift),
  };
  broadcast_rows(&both, add_row, size, r->broadcast1, r->broadcast2, operand_address(r->input, image, arena),
                 operand_address(r->input2, image, arena), output_address(r->output, arena));
}
