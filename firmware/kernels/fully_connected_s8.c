/*
 * Fully connected: input [N, C_in], weights [C_out, C_in], output [N, C_out], all int8. Bias int32 for each output
 * channel (zero points folded in); one requantisation, or one for each; weights may have a zero point. See
 * docs/arithmetic.md.
 */
#include "../support/channel.h"
#include "../support/dot.h"
#include "../support/kernel.h"
#include "../support/operand.h"

/* Without zero points of its own the weights need nothing; else: - weight zero point * sum of the input. */
static int32_t correction(const int8_t *input, int32_t depth, int32_t weights_zero_point) {
  int32_t sum = 0;
  if (weights_zero_point != 0) {
    for (int32_t k = 0; k < depth; k++) sum += input[k];
  }
  return -sum * weights_zero_point;
}

void fully_connected_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const fully_connected_s8_record *r = (const fully_connected_s8_record *)record;
  (void)scratch;
  const channel_tables tables = tables_at(image, r->bias, r->multipliers, r->shifts);
  const output_range range = {r->output_zero_point, r->activation_min, r->activation_max};
  const int32_t depth = (int32_t)r->input_channels;
  const int32_t channels = (int32_t)r->output_channels;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (uint32_t n = 0; n < r->batch; n++) {
    const int32_t offset = correction(input, depth, r->weights_zero_point);
    const int8_t *weights = (const int8_t *)(image + r->weights);
    for (int32_t c = 0; c < channels; c += 2) {
      /* An odd last channel is computed twice. */
      const int32_t pair = c + 1 < channels ? 1 : 0;
      int32_t sums[2] = {tables.bias[c] + offset, tables.bias[c + pair] + offset};
      dot_1x2(input, weights, weights + pair * depth, depth, sums);
      for (int32_t i = 0; i <= pair; i++) {
        const int32_t table = r->per_channel != 0 ? c + i : 0;
        const channel_parameters channel = {0, tables.multipliers[table], tables.shifts[table]};
        output[c + i] = to_int8(sums[i], &channel, &range);
      }
      weights += 2 * depth;
    }
    input += depth;
    output += channels;
  }
}
