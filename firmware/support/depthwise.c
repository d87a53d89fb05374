#include "depthwise.h"

#include "lanes.h"

static uint32_t *fill(uint32_t *to, int32_t words, int32_t count, uint32_t word0, uint32_t word1) {
  for (; count > 0; count--) {
    *to++ = word0;
    if (words == 2) *to++ = word1;
  }
  return to;
}

/* Where row `row` of the input begins, or the padding; `step` is set to the bytes from column to column. */
static const int8_t *row_of(const depthwise_plane *p, const int8_t *input, int32_t row, const int8_t *padding,
                            int32_t *step) {
  const int inside = row >= 0 && row < p->rows.input;
  *step = inside ? p->columns.input_step : 0;
  return inside ? input + row * p->rows.input_step : padding;
}

static uint32_t unsigned_of(int8_t x) {
  return (uint8_t)x ^ 0x80u;
}

void depthwise_pack(const depthwise_plane *p, const int8_t *input, uint32_t *plane) {
  const int8_t padding = (int8_t)((int32_t)p->padding - 128);
  const uint32_t word0 = p->words == 2 ? p->padding + (p->padding << 21) : p->padding;
  const uint32_t word1 = p->padding + (p->padding << 10);
  const int32_t before = p->columns.padding < p->width ? p->columns.padding : p->width;
  const int32_t room = p->width - before;
  const int32_t inside = p->columns.input < room ? p->columns.input : room;
  const int32_t lane = p->band * p->rows.stride;
  for (int32_t row = -p->rows.padding; row < p->height - p->rows.padding; row++) {
    int32_t step_a, step_b, step_c;
    const int8_t *a = row_of(p, input, row, &padding, &step_a);
    plane = fill(plane, p->words, before, word0, word1);
    if (p->words == 2) {
      const int8_t *b = row_of(p, input, row + lane, &padding, &step_b);
      const int8_t *c = row_of(p, input, row + 2 * lane, &padding, &step_c);
      for (uint32_t *end = plane + 2 * inside; plane != end; plane += 2) {
        const uint32_t xb = unsigned_of(*b);
        plane[0] = unsigned_of(*a) + (xb << 21);
        plane[1] = unsigned_of(*c) + (xb << 10);
        a += step_a;
        b += step_b;
        c += step_c;
      }
    } else {
      for (uint32_t *end = plane + inside; plane != end; plane++) {
        *plane = unsigned_of(*a);
        a += step_a;
      }
    }
    plane = fill(plane, p->words, room - inside, word0, word1);
  }
}

void depthwise_sum(const depthwise_plane *p, const int8_t *weights, uint32_t *plane) {
  const int32_t words = p->words;
  const int32_t pitch = p->width * words;
  for (int32_t y = 0; y < p->band; y++) {
    uint32_t *window = plane + y * p->rows.stride * pitch;
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
      window[0] = sum0;
      if (words == 2) window[1] = sum1;
      window += p->columns.stride * words;
    }
  }
}

void depthwise_store(const depthwise_plane *p, const channel_parameters *channel, const output_form *form,
                     const uint32_t *plane, int8_t *output) {
  const int32_t step = p->columns.stride * p->words;
  const int32_t pitch = p->rows.stride * p->width * p->words;
  const int32_t band = p->band * p->rows.output_step;
  for (int32_t y = 0; y < p->band; y++) {
    const uint32_t *sums = plane;
    int8_t *out = output;
    for (int32_t x = 0; x < p->columns.output; x++) {
      if (p->words == 1) {
        *out = to_int8((int32_t)sums[0], channel, form);
      } else {
        const lanes s = split_lanes(sums[0], sums[1]);
        /* The last bands may have fewer rows. */
        *out = to_int8(s.a, channel, form);
        if (y + p->band < p->rows.output) out[band] = to_int8(s.b, channel, form);
        if (y + 2 * p->band < p->rows.output) out[2 * band] = to_int8(s.c, channel, form);
      }
      sums += step;
      out += p->columns.output_step;
    }
    plane += pitch;
    output += p->rows.output_step;
  }
}
