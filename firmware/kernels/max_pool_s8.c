/*
 * Max pool: input [N, H, W, C], output [N, OH, OW, C], int8. The largest element inside the picture; nothing is
 * requantized. See docs/arithmetic.md.
 */
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"
#include "../support/window.h"

void max_pool_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const max_pool_s8_record *r = (const max_pool_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const int32_t channels = r->input_channels;
  const int32_t row = r->input_width * channels;
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t y = 0; y < r->output_height; y++) {
      const int32_t top = y * r->stride_height - r->pad_top;
      const int32_t y0 = first_tap(top, 1), y1 = last_tap(top, 1, r->input_height, r->kernel_height);
      for (int32_t x = 0; x < r->output_width; x++) {
        const int32_t left = x * r->stride_width - r->pad_left;
        const int32_t x0 = first_tap(left, 1), x1 = last_tap(left, 1, r->input_width, r->kernel_width);
        const int8_t *corner = input + (top + y0) * row + (left + x0) * channels;
        for (int32_t c = 0; c < channels; c++) {
          const int8_t *line = corner++;
          int32_t maximum = -128;
          for (int32_t ky = y0; ky < y1; ky++) {
            const int8_t *pixel = line;
            for (int32_t kx = x0; kx < x1; kx++) {
              if (*pixel > maximum) maximum = *pixel;
              pixel += channels;
            }
            line += row;
          }
          *output++ = (int8_t)clamp(maximum, r->activation_min, r->activation_max);
        }
      }
    }
    input += r->input_height * row;
  }
}
