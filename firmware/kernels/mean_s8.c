/*
 * Mean over any of four dimensions: the sum less count * zero point, requantized by a multiplier that the division
 * by the count is folded into, as tflite-micro does it. See docs/arithmetic.md.
 */
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"

static int32_t sum_over(const int8_t *first, const uint32_t size[4], const uint32_t step[4]) {
  int32_t sum = 0;
  for (uint32_t i0 = 0; i0 < size[0]; i0++) {
    for (uint32_t i1 = 0; i1 < size[1]; i1++) {
      for (uint32_t i2 = 0; i2 < size[2]; i2++) {
        const int8_t *row = first + i0 * step[0] + i1 * step[1] + i2 * step[2];
        for (uint32_t i3 = 0; i3 < size[3]; i3++) sum += row[i3];
      }
    }
  }
  return sum;
}

void mean_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const mean_s8_record *r = (const mean_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const uint32_t size[4] = {r->dim0, r->dim1, r->dim2, r->dim3};
  const uint32_t step[4] = {r->dim1 * r->dim2 * r->dim3, r->dim2 * r->dim3, r->dim3, 1};
  /* Each dimension is either kept (an outer loop) or summed (an inner one). */
  uint32_t kept[4], summed[4];
  for (uint32_t d = 0; d < 4; d++) {
    const uint32_t reduced = (uint32_t)(r->reduced >> d) & 1u;
    kept[d] = reduced != 0 ? 1 : size[d];
    summed[d] = reduced != 0 ? size[d] : 1;
  }
  const int32_t zero = (int32_t)r->count * r->input_zero_point;
  for (uint32_t i0 = 0; i0 < kept[0]; i0++) {
    for (uint32_t i1 = 0; i1 < kept[1]; i1++) {
      for (uint32_t i2 = 0; i2 < kept[2]; i2++) {
        const int8_t *row = input + i0 * step[0] + i1 * step[1] + i2 * step[2];
        for (uint32_t i3 = 0; i3 < kept[3]; i3++) {
          const int32_t sum = sum_over(row + i3, summed, step) - zero;
          const int32_t value = requantize(sum, r->multiplier, r->shift) + r->output_zero_point;
          *output++ = (int8_t)clamp(value, -128, 127);
        }
      }
    }
  }
}
