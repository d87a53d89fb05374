/*
 * Product of two int8 tensors that broadcast, rescaled to the output's scale. The output may lie on an input of its
 * size. See docs/arithmetic.md.
 */
#include "../support/broadcast.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

static void mul_row(const void *record, const int8_t *a, const int8_t *b, int8_t *output, uint32_t count,
                    uint32_t step_a, uint32_t step_b) {
  const mul_s8_record *r = (const mul_s8_record *)record;
  for (uint32_t i = 0; i < count; i++) {
    const int32_t product = (*a - r->input_zero_point) * (*b - r->input2_zero_point);
    const int32_t value = requantize(product, r->output_multiplier, r->output_shift) + r->output_zero_point;
    output[i] = (int8_t)clamp(value, r->activation_min, r->activation_max);
    a += step_a;
    b += step_b;
  }
}

void mul_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const mul_s8_record *r = (const mul_s8_record *)record;
  (void)scratch;
  const uint32_t size[4] = {r->dim0, r->dim1, r->dim2, r->dim3};
  broadcast_rows(r, mul_row, size, r->broadcast1, r->broadcast2, operand_address(r->input, image, arena),
                 operand_address(r->input2, image, arena), output_address(r->output, arena));
}
