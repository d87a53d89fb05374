#include "gemm.h"

#include "lanes.h"
#include "requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

void gemm_set_form(gemm *g, const output_form *form, int32_t first_channel) {
  const image_requantization *table = form->table;
  const int is_fast = table->form == REQUANTIZE_TWO_PART && g->unpack >= g->depth;
  g->form = *form;
  g->first_channel = first_channel;
  g->constants = is_fast ? (const int32_t *)(const void *)(table + 1) + 2 * first_channel : 0;
  g->product_shift = table->product_shift;
  g->output_shift = table->output_shift;
  g->low = form->low;
  g->most = form->high - form->low;
}

void gemm_store(const gemm *g, int32_t channel, const int32_t *sums) {
  const output_form *form = &g->form;
  const channel_parameters p = channel_at(form, g->first_channel + channel);
  const int32_t *end = sums + g->pixels;
  const int32_t step = g->step;
  int8_t *output = g->output + channel;
  if (form->table->form == REQUANTIZE_EXACT && p.fine < 0) {
    const int32_t upper = p.factor >> 16, right = -p.fine, low = g->low, zero_point = form->zero_point - low;
    const uint32_t lower = (uint32_t)p.factor & 0xffffu, most = (uint32_t)g->most;
    while (sums != end) {
      int32_t value = requantize_right(*sums++ + p.offset, upper, lower, right) + zero_point;
      if ((uint32_t)value > most) value = value < 0 ? 0 : (int32_t)most;
      *output = (int8_t)(value + low);
      output += step;
    }
  } else {
    while (sums != end) {
      *output = to_int8(*sums++, &p, form);
      output += step;
    }
  }
}

#ifndef __ARM_ARCH_6M__

void gemm_pack(const int8_t *const *pixels, int32_t count, uint32_t *packed, int32_t rows, int32_t step) {
  const int8_t *a = pixels[0], *b = pixels[1], *c = pixels[2];
  for (int32_t row = 0; row < rows; row++) {
    for (int32_t k = 0; k < count; k++) {
      const uint32_t second = (uint32_t)(b[k] + 128);
      packed[0] = (uint32_t)(a[k] + 128) + (second << 21);
      packed[1] = (uint32_t)(c[k] + 128) + (second << 10);
      packed += GEMM_WORDS;
    }
    a += step;
    b += step;
    c += step;
  }
}

/* Adds the three sums that two words hold. */
static void unpack_three(uint32_t word0, uint32_t word1, int32_t *sums) {
  const lanes of = split_lanes(word0, word1);
  sums[0] += of.a;
  sums[1] += of.b;
  sums[2] += of.c;
}

/* All of one packed input, times a weight. */
static void add_product(uint32_t *words, const uint32_t *packed, int8_t weight) {
  for (int32_t i = 0; i < GEMM_WORDS; i++) words[i] += (uint32_t)(int32_t)weight * packed[i];
}

static void unpack_six(const uint32_t *words, int32_t *sums) {
  unpack_three(words[0], words[1], sums);
  unpack_three(words[2], words[3], sums + 3);
}

/* A row of sparse weights. Returns the next. */
static const int8_t *multiply_sparse(const gemm *g, const int8_t *weights, int32_t *sums) {
  const uint32_t *packed = g->packed;
  const int32_t count = (uint8_t)weights[0] | (uint8_t)weights[1] << 8;
  uint32_t words[GEMM_WORDS] = {0};
  for (int32_t pair = 0; pair < count; pair++) {
    weights += 2;
    packed += GEMM_WORDS * (uint8_t)weights[1];
    add_product(words, packed, weights[0]);
    packed += GEMM_WORDS;
  }
  unpack_six(words, sums);
  return weights + 2;
}

/* A dense row. Returns the next. */
static const int8_t *multiply_dense(const gemm *g, const int8_t *weights, int32_t *sums) {
  const uint32_t *packed = g->packed;
  weights += gemm_row_bytes(g->depth) - g->depth;
  for (int32_t left = g->depth; left > 0;) {
    const int32_t end = (left - 1) / g->unpack * g->unpack;
    uint32_t words[GEMM_WORDS] = {0};
    for (; left > end; left--) {
      add_product(words, packed, *weights++);
      packed += GEMM_WORDS;
    }
    unpack_six(words, sums);
  }
  return weights;
}

void gemm_six(const gemm *g) {
  const int8_t *weights = g->weights;
  for (int32_t channel = 0; channel < g->channels; channel++) {
    int32_t sums[GEMM_PIXELS] = {0};
    weights = g->is_sparse ? multiply_sparse(g, weights, sums) : multiply_dense(g, weights, sums);
    gemm_store(g, channel, sums);
  }
}

#endif
