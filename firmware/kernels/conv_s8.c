/*
 * 2-D convolution: input [N, H, W, C_in], weights [C_out, KH, KW, C_in / groups] (OHWI) with the rows of output
 * channels in whole words, output [N, OH, OW, C_out], all int8; any stride, dilation, padding and number of groups.
 * Padding counts as the input zero point. Per output channel int32 bias (zero point folded in) and requantisation;
 * see docs/arithmetic.md.
 *
 * Scratch: 16 bytes (8 with three columns) for each of KH * KW * C_in / groups inputs, then the rows of three windows.
 */
#include <string.h>

#include "../support/gemm.h"
#include "../support/kernel.h"
#include "../support/operand.h"
#include "../support/window.h"

typedef struct {
  const conv_s8_record *record;
  /* Of the group's first channel. */
  const int8_t *input;
  /* Input channels of the group. */
  int32_t segment;
  /* Bytes of a window's row. */
  int32_t row;
  /* Three rows. */
  int8_t *rows;
} windows;

/* A window's row, [KW, C_in / groups]: where it lies in the input, or put together with padding in `made`. */
static const int8_t *window_row(const windows *w, int32_t iy, int32_t left, int8_t *made) {
  const conv_s8_record *r = w->record;
  const int32_t width = r->input_width;
  const int32_t padding = r->input_zero_point;
  if (iy < 0 || iy >= r->input_height) {
    memset(made, padding, (size_t)w->row);
    return made;
  }
  const int32_t channels = r->input_channels;
  const int32_t step = r->dilation_width * channels;
  const int32_t segment = w->segment;
  const int8_t *pixel = w->input + (iy * width + left) * channels;
  int32_t first = 0, last = r->kernel_width;
  const int is_inside = left >= 0 && left + (last - 1) * r->dilation_width < width;
  if (is_inside && (step == segment || last == 1)) return pixel;
  if (!is_inside) {
    first = first_tap(left, r->dilation_width);
    last = last_tap(left, r->dilation_width, width, last);
    memset(made, padding, (size_t)w->row);
  }
  int8_t *to = made + first * segment;
  pixel += first * step;
  for (int32_t kx = first; kx < last; kx++) {
    memcpy(to, pixel, (size_t)segment);
    to += segment;
    pixel += step;
  }
  return made;
}

/* Packs three windows with these upper left corners in the input. */
static void pack_windows(const windows *w, const int32_t *tops, const int32_t *lefts, uint32_t *packed, int32_t words) {
  const conv_s8_record *r = w->record;
  int32_t down = 0;
  for (int32_t ky = 0; ky < r->kernel_height; ky++) {
    int8_t *made = w->rows;
    const int8_t *rows[3];
    for (int32_t p = 0; p < 3; p++) {
      rows[p] = window_row(w, tops[p] + down, lefts[p], made);
      made += w->row;
    }
    gemm_pack(rows[0], rows[1], rows[2], w->row, packed, words);
    packed += w->row * words;
    down += r->dilation_height;
  }
}

static void group(const windows *w, gemm *g) {
  const conv_s8_record *r = w->record;
  const int32_t right = r->output_width * r->stride_width - r->pad_left;
  int32_t top = -r->pad_top, left_edge = -r->pad_left;
  for (int32_t left = r->output_height * r->output_width; left > 0;) {
    const int32_t words = left > 3 && r->columns > 3 ? 4 : 2;
    const int32_t most = words == 4 ? 6 : 3;
    const int32_t count = left < most ? left : most;
    for (int32_t first = 0; first < most; first += 3) {
      int32_t tops[3], lefts[3];
      for (int32_t p = 0; p < 3; p++) {
        tops[p] = top;
        lefts[p] = left_edge;
        /* The last pixel stands for what is not there. */
        if (first + p + 1 < count) {
          left_edge += r->stride_width;
          if (left_edge == right) {
            left_edge = -r->pad_left;
            top += r->stride_height;
          }
        }
      }
      pack_windows(w, tops, lefts, g->packed + (first > 0 ? 2 : 0), words);
    }
    left_edge += r->stride_width;
    if (left_edge == right) {
      left_edge = -r->pad_left;
      top += r->stride_height;
    }
    g->pixels = count;
    if (words == 4) {
      gemm_six(g);
    } else {
      gemm_three(g);
    }
    g->output += count * g->step;
    left -= count;
  }
}

void conv_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const conv_s8_record *r = (const conv_s8_record *)record;
  const int32_t inputs = r->groups == 1 ? r->input_channels : r->input_channels / r->groups;
  const int32_t outputs = r->groups == 1 ? r->output_channels : r->output_channels / r->groups;
  const int32_t row = r->kernel_width * inputs;
  const int32_t depth = r->kernel_height * row;
  const int32_t pixels = r->output_height * r->output_width;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const output_form form =
      output_form_at(image, r->requantization, r->output_zero_point, r->activation_min, r->activation_max);
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t first = 0, i = 0; first < r->output_channels; first += outputs, i += inputs) {
      const windows w = {
          .record = r,
          .input = input + i,
          .segment = inputs,
          .row = row,
          .rows = (int8_t *)scratch + depth * (pixels > 3 && r->columns > 3 ? 16 : 8),
      };
      gemm g = {
          .packed = (uint32_t *)(void *)scratch,
          .weights = (const int8_t *)(image + r->weights) + first * gemm_row_bytes(depth),
          .depth = depth,
          .unpack = r->unpack,
          .is_sparse = r->sparse,
          .channels = outputs,
          .output = output + first,
          .step = r->output_channels,
      };
      gemm_set_form(&g, &form, first);
      group(&w, &g);
    }
    input += r->input_height * r->input_width * r->input_channels;
    output += pixels * r->output_channels;
  }
}
