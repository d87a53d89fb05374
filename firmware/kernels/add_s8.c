/*
 * Sum or difference of two int8 tensors that broadcast: both rescaled to a common scale in int32, added or
 * subtracted, rescaled to the output's. The output may lie on an input of its size. See docs/arithmetic.md.
 */
#include "../support/broadcast.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

static void add_row(const void *record, const int8_t *a, const int8_t *b, int8_t *output, uint32_t count,
                    uint32_t step_a, uint32_t step_b) {
  const add_s8_record *r = (const add_s8_record *)record;
  const int32_t scale = (int32_t)(1u << r->left_shift);
  for (uint32_t i = 0; i < count; i++) {
    const int32_t left = requantize((*a - r->input_zero_point) * scale, r->multiplier1, r->shift1);
    const int32_t right = requantize((*b - r->input2_zero_point) * scale, r->multiplier2, r->shift2);
    const int32_t sum = r->subtract != 0 ? left - right : left + right;
    const int32_t value = requantize(sum, r->output_multiplier, r->output_shift) + r->output_zero_point;
    output[i] = (int8_t)clamp(value, r->activation_min, r->activation_max);
    a += step_a;
    b += step_b;
  }
}

void add_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const add_s8_record *r = (const add_s8_record *)record;
  (void)scratch;
  const uint32_t size[4] = {r->dim0, r->dim1, r->dim2, r->dim3};
  broadcast_rows(r, add_row, size, r->broadcast1, r->broadcast2, operand_address(r->input, image, arena),
                 operand_address(r->input2, image, arena), output_address(r->output, arena));
}
