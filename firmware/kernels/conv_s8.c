/*
 * 2-D convolution: input [N, H, W, C_in], weights [C_out, KH, KW, C_in / groups] (OHWI) with the rows of output
 * channels in whole words, output [N, OH, OW, C_out], all int8; any stride, dilation, padding and number of groups.
 * Padding counts as the input zero point. Per output channel int32 bias (zero point folded in) and requantisation;
 * see docs/arithmetic.md.
 *
 * Scratch: 16 bytes (8 with three columns) for each of KH * KW * C_in / groups inputs. Where there is padding or there
 * are groups, then the rows of the input that the windows at work need, [rows, columns, C_in / groups] with padding.
 */
#include <string.h>

#include "../support/gemm.h"
#include "../support/kernel.h"
#include "../support/operand.h"

typedef struct {
  const conv_s8_record *record;
  /* Of the group's first channel. */
  const int8_t *input;
  /* Input channels of the group. */
  int32_t segment;
  /* Columns of the input that windows reach. */
  int32_t inside;
  /* Copies of input rows with padding; 0 where the input itself serves. */
  int8_t *copies;
  /* Rows [first, end) of the input, `pitch` bytes each. */
  const int8_t *rows;
  int32_t pitch;
  int32_t first;
  int32_t end;
} windows;

static void load_row(const windows *w, int32_t y, int8_t *to) {
  const conv_s8_record *r = w->record;
  const int32_t segment = w->segment;
  memset(to, r->input_zero_point, (size_t)w->pitch);
  if (y < 0 || y >= r->input_height) return;
  to += r->pad_left * segment;
  const int8_t *from = w->input + y * r->input_width * r->input_channels;
  if (r->groups == 1) {
    memcpy(to, from, (size_t)(w->inside * segment));
  } else {
    for (int32_t x = w->inside; x > 0; x--) {
      memcpy(to, from, (size_t)segment);
      to += segment;
      from += r->input_channels;
    }
  }
}

/* Makes the input rows [first, end) be there, of which none comes before one of the last time. */
static void load_rows(windows *w, int32_t first, int32_t end) {
  int8_t *to = w->copies;
  const int8_t *kept = w->copies + (first - w->first) * w->pitch;
  if (first >= w->end) w->end = first;
  if (first != w->first) {
    for (int32_t left = (w->end - first) * w->pitch; left > 0; left -= 4) {
      *(uint32_t *)(void *)to = *(const uint32_t *)(const void *)kept;
      to += 4;
      kept += 4;
    }
    w->first = first;
  }
  to = w->copies + (w->end - first) * w->pitch;
  for (; w->end < end; w->end++) {
    load_row(w, w->end, to);
    to += w->pitch;
  }
}

/* Packs three windows, whose upper left corners these are. */
static void pack_windows(const windows *w, const int8_t **corners, uint32_t *packed, int32_t words) {
  const conv_s8_record *r = w->record;
  const int32_t step = r->dilation_height * w->pitch;
  if (r->dilation_width == 1) {
    gemm_pack(corners, r->kernel_width * w->segment, packed, words, r->kernel_height, step);
    return;
  }
  for (int32_t ky = 0; ky < r->kernel_height; ky++) {
    const int8_t *taps[3] = {corners[0], corners[1], corners[2]};
    for (int32_t kx = 0; kx < r->kernel_width; kx++) {
      gemm_pack(taps, w->segment, packed, words, 1, 0);
      packed += w->segment * words;
      for (int32_t p = 0; p < 3; p++) taps[p] += r->dilation_width * w->segment;
    }
    for (int32_t p = 0; p < 3; p++) corners[p] += step;
  }
}

static void group(windows *w, gemm *g) {
  const conv_s8_record *r = w->record;
  const int32_t reach = (r->kernel_height - 1) * r->dilation_height + 1;
  const int32_t across = r->stride_width * w->segment;
  int32_t x = 0, top = -r->pad_top;
  for (int32_t left = r->output_height * r->output_width; left > 0;) {
    const int32_t words = left > 3 && r->columns > 3 ? 4 : 2;
    const int32_t most = words == 4 ? 6 : 3;
    const int32_t count = left < most ? left : most;
    int32_t columns[6], tops[6];
    for (int32_t p = 0; p < most; p++) {
      columns[p] = x * across;
      tops[p] = top;
      /* The last pixel stands for what is not there. */
      if (p + 1 < count && ++x == r->output_width) {
        x = 0;
        top += r->stride_height;
      }
    }
    if (w->copies != 0) load_rows(w, tops[0], top + reach);
    const int8_t *corners[6];
    for (int32_t p = 0; p < most; p++) corners[p] = w->rows + (tops[p] - w->first) * w->pitch + columns[p];
    pack_windows(w, corners, g->packed, words);
    if (words == 4) pack_windows(w, corners + 3, g->packed + 2, words);
    if (++x == r->output_width) {
      x = 0;
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

/* Elements of the input along an axis that windows reach. */
static int32_t covered(int32_t outputs, int32_t stride, int32_t taps, int32_t dilation) {
  return (outputs - 1) * stride + (taps - 1) * dilation + 1;
}

void conv_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const conv_s8_record *r = (const conv_s8_record *)record;
  const int32_t inputs = r->groups == 1 ? r->input_channels : r->input_channels / r->groups;
  const int32_t outputs = r->groups == 1 ? r->output_channels : r->output_channels / r->groups;
  const int32_t depth = r->kernel_height * r->kernel_width * inputs;
  const int32_t pixels = r->output_height * r->output_width;
  const int32_t columns = covered(r->output_width, r->stride_width, r->kernel_width, r->dilation_width);
  const int32_t height = covered(r->output_height, r->stride_height, r->kernel_height, r->dilation_height);
  const int is_direct = r->groups == 1 && r->pad_top == 0 && r->pad_left == 0 && columns <= r->input_width &&
                        height <= r->input_height;
  const int32_t room = columns - r->pad_left;
  int8_t *copies = (int8_t *)scratch + depth * (pixels > 3 && r->columns > 3 ? 16 : 8);
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const output_form form =
      output_form_at(image, r->requantization, r->output_zero_point, r->activation_min, r->activation_max);
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t first = 0, i = 0; first < r->output_channels; first += outputs, i += inputs) {
      windows w = {
          .record = r,
          .input = input + i,
          .segment = inputs,
          .inside = room < r->input_width ? room : r->input_width,
          .copies = is_direct ? 0 : copies,
          .rows = is_direct ? input : copies,
          .pitch = is_direct ? r->input_width * inputs : (columns * inputs + 3) & ~3,
          .first = is_direct ? 0 : -r->pad_top,
          .end = -r->pad_top,
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
