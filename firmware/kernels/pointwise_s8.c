/*
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in], output [pixels, C_out], all int8. Per
 * output channel int32 bias (input zero point folded in) and requantisation; see docs/arithmetic.md.
 */
#include "../support/kernel.h"
#include "../support/matrix.h"
#include "../support/operand.h"

void pointwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const pointwise_s8_record *r = (const pointwise_s8_record *)record;
  (void)scratch;
  const matrix m = {
      .weights = (const int8_t *)(image + r->weights),
      .tables = tables_at(image, r->bias, r->multipliers, r->shifts),
      .depth = r->input_channels,
      .channels = r->output_channels,
      .range = {r->output_zero_point, r->activation_min, r->activation_max},
  };
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (uint32_t p = 0; p < r->pixels; p += 2) {
    const int32_t next = p + 1 < r->pixels ? 1 : 0;
    matrix_columns(&m, input, input + next * m.depth, output, output + next * m.channels);
    input += 2 * m.depth;
    output += 2 * m.channels;
  }
}
