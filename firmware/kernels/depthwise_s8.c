/*
 * Depthwise convolution: input [N, H, W, C], weights [1, KH, KW, C * multiplier], output
 * [N, OH, OW, C * multiplier], all int8; output channel c reads input channel c / multiplier. Padding contributes
 * nothing. Per output channel int32 bias and requantisation; see docs/arithmetic.md.
 */
#include "../support/channel.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/window.h"

/* The part of a window that lies inside the picture. */
typedef struct {
  int32_t rows;
  int32_t columns;
  /* Bytes from tap to tap and from row to row, of the input and of the weights. */
  int32_t input_step;
  int32_t input_row;
  int32_t weight_step;
  int32_t weight_row;
} taps;

static int32_t sum_taps(const taps *t, const int8_t *x, const int8_t *w, int32_t zero_point, int32_t sum) {
  const int32_t input_step = t->input_step, weight_step = t->weight_step;
  for (int32_t ky = 0; ky < t->rows; ky++) {
    const int8_t *pixel = x;
    const int8_t *weight = w;
    for (int32_t kx = t->columns; kx > 0; kx--) {
      sum += (*pixel - zero_point) * *weight;
      pixel += input_step;
      weight += weight_step;
    }
    x += t->input_row;
    w += t->weight_row;
  }
  return sum;
}

void depthwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const depthwise_s8_record *r = (const depthwise_s8_record *)record;
  (void)scratch;
  const channel_tables tables = tables_at(image, r->bias, r->multipliers, r->shifts);
  const output_range range = {r->output_zero_point, r->activation_min, r->activation_max};
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const int32_t inputs = r->input_channels;
  const int32_t outputs = r->output_channels;
  taps t = {
      .input_step = r->dilation_width * inputs,
      .input_row = r->dilation_height * r->input_width * inputs,
      .weight_step = outputs,
      .weight_row = r->kernel_width * outputs,
  };
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t y = 0; y < r->output_height; y++) {
      const int32_t top = y * r->stride_height - r->pad_top;
      const int32_t y0 = first_tap(top, r->dilation_height);
      t.rows = last_tap(top, r->dilation_height, r->input_height, r->kernel_height) - y0;
      for (int32_t x = 0; x < r->output_width; x++) {
        const int32_t left = x * r->stride_width - r->pad_left;
        const int32_t x0 = first_tap(left, r->dilation_width);
        t.columns = last_tap(left, r->dilation_width, r->input_width, r->kernel_width) - x0;
        const int8_t *pixel = input + (top * r->input_width + left) * inputs + y0 * t.input_row + x0 * t.input_step;
        const int8_t *weights = (const int8_t *)(image + r->weights) + y0 * t.weight_row + x0 * t.weight_step;
        int32_t repeats = r->depth_multiplier;
        for (int32_t c = 0; c < outputs; c++) {
          const channel_parameters channel = channel_at(&tables, c);
          const int32_t sum = sum_taps(&t, pixel, weights++, r->input_zero_point, channel.bias);
          *output++ = to_int8(sum, &channel, &range);
          if (--repeats == 0) {
            repeats = r->depth_multiplier;
            pixel++;
          }
        }
      }
    }
    input += r->input_height * r->input_width * inputs;
  }
}
