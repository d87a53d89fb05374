/*
 * Fully connected: input [N, C_in], weights [C_out / 4, C_in / 2, 4, 2] filled up with zeros, output [N, C_out], all
 * int8. One requantisation, or one for each output channel; weights may have a zero point. See docs/arithmetic.md.
 *
 * Scratch: the input of one row, x + 128, as int32, an even number of them.
 */
#include "../support/channel.h"
#include "../support/dot.h"
#include "../support/kernel.h"
#include "../support/operand.h"

/* Compiled for speed: its loops are worth more than their bytes. */

/* Outputs whose sums become int8 together. */
#define AT_ONCE 32

/* A row as x + 128. Returns what weights with a zero point of their own bring along: - zero point * sum of that. */
static int32_t widen(const int8_t *input, int32_t depth, int32_t weights_zero_point, int32_t *row) {
  int32_t sum = 0;
  for (int32_t k = 0; k < depth; k++) {
    const int32_t x = input[k] + 128;
    sum += x;
    *row++ = x;
  }
  if ((depth & 1) != 0) *row = 0;
  return -sum * weights_zero_point;
}

void fully_connected_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const fully_connected_s8_record *r = (const fully_connected_s8_record *)record;
  const output_form form =
      output_form_at(image, r->requantization, r->output_zero_point, r->activation_min, r->activation_max);
  const int32_t depth = (int32_t)r->input_channels;
  const int32_t channels = (int32_t)r->output_channels;
  const int32_t pairs = (depth + 1) >> 1;
  int32_t *row = (int32_t *)(void *)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (uint32_t n = 0; n < r->batch; n++) {
    const int32_t offset = widen(input, depth, r->weights_zero_point, row);
    const int8_t *weights = (const int8_t *)(image + r->weights);
    for (int32_t c = 0; c < channels; c += AT_ONCE) {
      const int32_t count = channels - c < AT_ONCE ? channels - c : AT_ONCE;
      int32_t sums[AT_ONCE];
      for (int32_t i = 0; i < count; i += 4) {
        dot_four(row, weights, pairs, sums + i);
        weights += 8 * pairs;
      }
      for (int32_t i = 0; i < count; i++) sums[i] += offset;
      channels_to_int8(&form, c, sums, count, output + c);
    }
    input += depth;
    output += channels;
  }
}
