/*
 * 2-D convolution: input [N, H, W, C_in], weights [C_out, KH, KW, C_in / groups] (OHWI), output
 * [N, OH, OW, C_out], all int8; any stride, dilation, padding and number of groups. Padding counts as the input
 * zero point. Per output channel int32 bias (zero point folded in) and requantisation; see docs/arithmetic.md.
 *
 * Scratch: two columns of KH * KW * C_in / groups bytes, the windows of two output pixels.
 */
#include <string.h>

#include "../support/kernel.h"
#include "../support/matrix.h"
#include "../support/operand.h"
#include "../support/window.h"

/* Copies the window of one output pixel and one group, [KH, KW, C_in / groups], with padding filled in. */
static void fill_column(const conv_s8_record *r, const int8_t *input, int32_t y, int32_t x, int8_t *column) {
  const int32_t channels = r->input_channels;
  const int32_t segment = r->groups == 1 ? channels : channels / r->groups;
  const int32_t row = r->kernel_width * segment;
  const int32_t left = x * r->stride_width - r->pad_left;
  const int32_t first = first_tap(left, r->dilation_width);
  const int32_t last = last_tap(left, r->dilation_width, r->input_width, r->kernel_width);
  const int32_t step = r->dilation_width * channels;
  int32_t iy = y * r->stride_height - r->pad_top;
  for (int32_t ky = 0; ky < r->kernel_height; ky++) {
    if (iy < 0 || iy >= r->input_height || first >= last) {
      memset(column, r->input_zero_point, (size_t)row);
    } else {
      memset(column, r->input_zero_point, (size_t)(first * segment));
      const int8_t *pixel = input + (iy * r->input_width + left) * channels + first * step;
      int8_t *to = column + first * segment;
      if (step == segment) {
        memcpy(to, pixel, (size_t)((last - first) * segment));
      } else {
        for (int32_t kx = first; kx < last; kx++) {
          memcpy(to, pixel, (size_t)segment);
          to += segment;
          pixel += step;
        }
      }
      memset(column + last * segment, r->input_zero_point, (size_t)((r->kernel_width - last) * segment));
    }
    column += row;
    iy += r->dilation_height;
  }
}

static void group(const conv_s8_record *r, const matrix *m, const int8_t *input, int8_t *output, int8_t *scratch) {
  const int32_t width = r->output_width;
  const int32_t pixels = r->output_height * width;
  const int32_t step = r->output_channels;
  int32_t y = 0, x = 0;
  for (int32_t p = 0; p < pixels; p += 2) {
    int8_t *column = scratch;
    const int32_t count = p + 1 < pixels ? 2 : 1;
    for (int32_t i = 0; i < count; i++) {
      fill_column(r, input, y, x, column);
      column += m->depth;
      if (++x == width) {
        x = 0;
        y++;
      }
    }
    matrix_columns(m, scratch, scratch + (count - 1) * m->depth, output, output + (count - 1) * step);
    output += 2 * step;
  }
}

void conv_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const conv_s8_record *r = (const conv_s8_record *)record;
  const int32_t inputs = r->groups == 1 ? r->input_channels : r->input_channels / r->groups;
  const int32_t outputs = r->groups == 1 ? r->output_channels : r->output_channels / r->groups;
  const int32_t depth = r->kernel_height * r->kernel_width * inputs;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t g = 0; g < r->groups; g++) {
      const uint32_t first = (uint32_t)(g * outputs);
      const matrix m = {
          .weights = (const int8_t *)(image + r->weights) + g * outputs * depth,
          .tables = tables_at(image, r->bias + 4 * first, r->multipliers + 4 * first, r->shifts + first),
          .depth = depth,
          .channels = outputs,
          .range = {r->output_zero_point, r->activation_min, r->activation_max},
      };
      group(r, &m, input + g * inputs, output + g * outputs, (int8_t *)scratch);
    }
    input += r->input_height * r->input_width * r->input_channels;
    output += r->output_height * r->output_width * r->output_channels;
  }
}
