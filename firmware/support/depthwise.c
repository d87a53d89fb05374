#include "depthwise.h"

#include "lanes.h"

/* Elements of the plane along an axis of which `outputs` are made. */
static int32_t covered(const depthwise_axis *axis, int32_t outputs) {
  return (outputs - 1) * axis->stride + (axis->taps - 1) * axis->dilation + 1;
}

static int32_t third(int32_t rows) {
  return (rows + 2) / 3;
}

void depthwise_begin(depthwise_plane *p) {
  p->words = p->rows.taps * p->columns.taps <= LANE_INPUTS ? 2 : 1;
  /* The bands may as well lie side by side: what makes fewer triples. */
  if (third(p->columns.output) * p->rows.output < third(p->rows.output) * p->columns.output) {
    const depthwise_axis rows = p->rows;
    p->rows = p->columns;
    p->columns = rows;
  }
  p->band = p->words == 2 ? third(p->rows.output) : p->rows.output;
  p->third = p->rows.output - p->band;
  p->second = p->band < p->third ? p->band : p->third;
  p->height = covered(&p->rows, p->band);
  p->width = covered(&p->columns, p->columns.output);
  p->before = p->columns.padding < p->width ? p->columns.padding : p->width;
  p->inside = p->columns.input < p->width - p->before ? p->columns.input : p->width - p->before;
  uint32_t *plane = p->plane;
  for (int32_t left = p->height * p->width; left > 0; left--) {
    *plane++ = p->words == 2 ? p->padding + (p->padding << 21) : p->padding;
    if (p->words == 2) *plane++ = p->padding + (p->padding << 10);
  }
}

/* x + 128 of a row and column; the row may lie outside. */
static uint32_t element_at(const depthwise_plane *p, const int8_t *input, int32_t row, int32_t column) {
  if (row < 0 || row >= p->rows.input) return p->padding;
  return (uint32_t)(input[row * p->rows.input_step + column * p->columns.input_step] + 128);
}

void depthwise_pack_any(const depthwise_plane *p, const int8_t *input) {
  const int32_t second = p->second * p->rows.stride;
  const int32_t third = p->third * p->rows.stride;
  for (int32_t y = 0; y < p->height; y++) {
    const int32_t row = y - p->rows.padding;
    uint32_t *element = p->plane + (y * p->width + p->before) * p->words;
    for (int32_t x = 0; x < p->inside; x++) {
      const uint32_t a = element_at(p, input, row, x);
      if (p->words == 1) {
        *element++ = a;
      } else {
        const uint32_t b = element_at(p, input, row + second, x);
        *element++ = a + (b << 21);
        *element++ = element_at(p, input, row + third, x) + (b << 10);
      }
    }
  }
}

void depthwise_any(const depthwise_plane *p, const int8_t *weights, int8_t *output) {
  const output_form *form = p->form;
  const int32_t words = p->words;
  const int32_t pitch = p->width * words;
  const int32_t second = p->second * p->rows.output_step;
  const int32_t third = p->third * p->rows.output_step;
  for (int32_t y = 0; y < p->band; y++) {
    const uint32_t *window = p->plane + y * p->rows.stride * pitch;
    int8_t *out = output;
    for (int32_t x = 0; x < p->columns.output; x++) {
      uint32_t sum0 = 0, sum1 = 0;
      const int8_t *row_weights = weights;
      const uint32_t *row = window;
      for (int32_t ky = 0; ky < p->rows.taps; ky++) {
        const int8_t *weight = row_weights;
        const uint32_t *element = row;
        for (int32_t kx = 0; kx < p->columns.taps; kx++) {
          const uint32_t w = (uint32_t)(int32_t)*weight;
          sum0 += element[0] * w;
          if (words == 2) sum1 += element[1] * w;
          weight += p->columns.weight_step;
          element += p->columns.dilation * words;
        }
        row_weights += p->rows.weight_step;
        row += p->rows.dilation * pitch;
      }
      if (words == 1) {
        *out = to_int8((int32_t)sum0, &p->channel, form);
      } else {
        const lanes s = split_lanes(sum0, sum1);
        *out = to_int8(s.a, &p->channel, form);
        out[second] = to_int8(s.b, &p->channel, form);
        out[third] = to_int8(s.c, &p->channel, form);
      }
      window += p->columns.stride * words;
      out += p->columns.output_step;
    }
    output += p->rows.output_step;
  }
}

#ifndef __ARM_ARCH_6M__

void depthwise_pack(const depthwise_plane *p, const int8_t *input) {
  depthwise_pack_any(p, input);
}

void depthwise_3x3(const depthwise_plane *p, const int8_t *weights, int8_t *output) {
  depthwise_any(p, weights, output);
}

#endif
