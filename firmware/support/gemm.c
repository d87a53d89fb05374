#include "gemm.h"

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

void gemm_store(const gemm *g, int32_t channel, int32_t *sums) {
  const channel_parameters parameters = channel_at(&g->form, g->first_channel + channel);
  int8_t *output = g->output + channel;
  for (int32_t p = 0; p < 6; p++) {
    if (p < g->pixels) *output = to_int8(sums[p], &parameters, &g->form);
    sums[p] = 0;
    output += g->step;
  }
}

#ifndef __ARM_ARCH_6M__

void gemm_pack(const int8_t *const *pixels, int32_t count, uint32_t *packed, int32_t words, int32_t rows, int32_t step) {
  const int8_t *a = pixels[0], *b = pixels[1], *c = pixels[2];
  for (int32_t row = 0; row < rows; row++) {
    for (int32_t k = 0; k < count; k++) {
      const uint32_t second = (uint32_t)(b[k] + 128);
      packed[0] = (uint32_t)(a[k] + 128) + (second << 21);
      packed[1] = (uint32_t)(c[k] + 128) + (second << 10);
      packed += words;
    }
    a += step;
    b += step;
    c += step;
  }
}

/* The signed integer of the lowest 21 bits. */
static int32_t lane(uint32_t word) {
  return (int32_t)(word << 11) >> 11;
}

/* Adds the three sums that two words hold. The first word has the lower 11 bits of b, the second all of it. */
static void unpack_three(uint32_t word0, uint32_t word1, int32_t *sums) {
  const int32_t a = lane(word0);
  const uint32_t b = (word0 - (uint32_t)a) >> 21;
  const uint32_t rest = word1 - (b << 10);
  const int32_t c = lane(rest);
  sums[0] += a;
  sums[1] += (int32_t)b + ((int32_t)(rest - (uint32_t)c) >> 10);
  sums[2] += c;
}

/* A row of sparse weights. Returns the next. */
static const int8_t *multiply_sparse(const gemm *g, const int8_t *weights, int32_t triples, int32_t *sums) {
  const uint32_t *packed = g->packed;
  const int32_t count = (uint8_t)weights[0] | (uint8_t)weights[1] << 8;
  uint32_t lanes[4] = {0};
  for (int32_t pair = 0; pair < count; pair++) {
    weights += 2;
    packed += 2 * triples * (uint8_t)weights[1];
    const uint32_t weight = (uint32_t)(int32_t)weights[0];
    for (int32_t i = 0; i < 2 * triples; i++) lanes[i] += weight * *packed++;
  }
  for (int32_t i = 0; i < triples; i++) unpack_three(lanes[2 * i], lanes[2 * i + 1], sums + 3 * i);
  return weights + 2;
}

/* A dense row. Returns the next. */
static const int8_t *multiply_dense(const gemm *g, const int8_t *weights, int32_t triples, int32_t *sums) {
  const uint32_t *packed = g->packed;
  weights += gemm_row_bytes(g->depth) - g->depth;
  for (int32_t left = g->depth; left > 0;) {
    const int32_t end = (left - 1) / g->unpack * g->unpack;
    uint32_t lanes[4] = {0};
    for (; left > end; left--) {
      const uint32_t weight = (uint32_t)(int32_t)*weights++;
      for (int32_t i = 0; i < 2 * triples; i++) lanes[i] += weight * *packed++;
    }
    for (int32_t i = 0; i < triples; i++) unpack_three(lanes[2 * i], lanes[2 * i + 1], sums + 3 * i);
  }
  return weights;
}

static void multiply(const gemm *g, int32_t triples) {
  const int8_t *weights = g->weights;
  int32_t sums[6] = {0};
  for (int32_t channel = 0; channel < g->channels; channel++) {
    weights = g->is_sparse ? multiply_sparse(g, weights, triples, sums) : multiply_dense(g, weights, triples, sums);
    gemm_store(g, channel, sums);
  }
}

void gemm_three(const gemm *g) {
  multiply(g, 1);
}

void gemm_six(const gemm *g) {
  multiply(g, 2);
}

#endif
