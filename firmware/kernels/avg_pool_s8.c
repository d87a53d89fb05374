/*
 * Average pool: input [N, H, W, C], output [N, OH, OW, C], int8. The sum of the elements inside the picture, divided
 * by their number, halves away from zero; nothing is requantized. See docs/arithmetic.md.
 */
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/requantize.h"
#include "../support/window.h"

/* Compiled for speed: its loops are worth more than their bytes. */

/* Inputs in [0, 255] of which sums fit 16 bits. */
#define MOST_IN_HALVES 257

/* The part of the picture that a window covers. */
typedef struct {
  int32_t height;
  int32_t width;
  /* Bytes from pixel to pixel, and from row to row. */
  int32_t pixel;
  int32_t row;
} window;

/* Quotient toward zero; at most 128 on either side. */
static int32_t divide(int32_t sum, int32_t count) {
  int32_t left = sum < 0 ? -sum : sum;
  int32_t quotient = 0;
  for (int32_t bit = 7; bit >= 0; bit--) {
    if (left >= count << bit) {
      left -= count << bit;
      quotient += 1 << bit;
    }
  }
  return sum < 0 ? -quotient : quotient;
}

static int32_t sum_one(const window *w, const int8_t *line) {
  int32_t sum = 0;
  for (int32_t y = w->height; y > 0; y--) {
    const int8_t *pixel = line;
    for (int32_t x = w->width; x > 0; x--) {
      sum += *pixel;
      pixel += w->pixel;
    }
    line += w->row;
  }
  return sum;
}

/* Four channels by words, as x + 128 in halves of words. */
static void sum_four(const window *w, const int8_t *line, int32_t *sums) {
  const uint32_t halves = 0x00ff00ffu;
  uint32_t even = 0, odd = 0;
  for (int32_t y = w->height; y > 0; y--) {
    const int8_t *pixel = line;
    for (int32_t x = w->width; x > 0; x--) {
      const uint32_t four = *(const uint32_t *)(const void *)pixel ^ 0x80808080u;
      even += four & halves;
      odd += (four >> 8) & halves;
      pixel += w->pixel;
    }
    line += w->row;
  }
  const int32_t offset = 128 * w->height * w->width;
  sums[0] = (int32_t)(even & 0xffffu) - offset;
  sums[1] = (int32_t)(odd & 0xffffu) - offset;
  sums[2] = (int32_t)(even >> 16) - offset;
  sums[3] = (int32_t)(odd >> 16) - offset;
}

void avg_pool_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const avg_pool_s8_record *r = (const avg_pool_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const int32_t channels = r->input_channels;
  window w = {.pixel = channels, .row = r->input_width * channels};
  const int is_aligned = ((channels | (int32_t)(uintptr_t)input) & 3) == 0;
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t y = 0; y < r->output_height; y++) {
      const int32_t top = y * r->stride_height - r->pad_top;
      const int32_t y0 = first_tap(top, 1);
      w.height = last_tap(top, 1, r->input_height, r->kernel_height) - y0;
      for (int32_t x = 0; x < r->output_width; x++) {
        const int32_t left = x * r->stride_width - r->pad_left;
        const int32_t x0 = first_tap(left, 1);
        w.width = last_tap(left, 1, r->input_width, r->kernel_width) - x0;
        const int8_t *corner = input + (top + y0) * w.row + (left + x0) * channels;
        const int32_t count = w.height * w.width;
        const int32_t at_once = is_aligned && count <= MOST_IN_HALVES ? 4 : 1;
        for (int32_t c = 0; c < channels; c += at_once) {
          int32_t sums[4];
          if (at_once == 4) {
            sum_four(&w, corner, sums);
          } else {
            sums[0] = sum_one(&w, corner);
          }
          corner += at_once;
          for (int32_t i = 0; i < at_once; i++) {
            const int32_t half = count >> 1;
            const int32_t mean = divide(sums[i] > 0 ? sums[i] + half : sums[i] - half, count);
            *output++ = (int8_t)clamp(mean, r->activation_min, r->activation_max);
          }
        }
      }
    }
    input += r->input_height * w.row;
  }
}
