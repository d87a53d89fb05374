/*
 * Weights of an operator times the inputs of six pixels at once: what pointwise and full convolution have
 * in common.
 *
 * The inputs of three pixels, each as x + 128, are packed in two words, xA + xB * 2^21 and xC + xB * 2^10, so that two
 * multiplications by one weight do three products. Sums grow in the words' lanes of 21 bits, signed, and come out of
 * them after `unpack` inputs; src/plan/matrix.ts sees to it that they fit.
 *
 * gemm.c and gemm_pack_armv6m.S and gemm_six_armv6m.S do the same; these are for the chip.
 */
#ifndef THUMBNET_GEMM_H
#define THUMBNET_GEMM_H

#include <stdint.h>

#include "channel.h"

/* gemm_six_armv6m.inc knows where the fields lie. */
typedef struct {
  /* Inputs: for each input two words for three pixels and two for three more. */
  uint32_t *packed;
  /*
   * [channels, depth]; each row is filled up in front to whole words. Or sparse: for each row a count in two bytes, and
   * that many pairs of a weight and the number of zeros before it.
   */
  const int8_t *weights;
  int32_t depth;
  /* Sums are taken out of their lanes after so many inputs, counted from the end. */
  int32_t unpack;
  int32_t channels;
  int32_t is_sparse;
  /* Of the first pixel; the others follow every `step` bytes. */
  int8_t *output;
  int32_t step;
  /* How many of the pixels are wanted, 1 to 6: the others are the last one again. */
  int32_t pixels;
  /* Two-part form without further unpacking: two words for each channel, and what they need. Else 0. */
  const int32_t *constants;
  int32_t product_shift;
  int32_t output_shift;
  int32_t low;
  int32_t most;
  output_form form;
  /* The first one's index among the form's. */
  int32_t first_channel;
} gemm;

static inline int32_t gemm_row_bytes(int32_t depth) {
  return (depth + 3) & ~3;
}

#define GEMM_PIXELS 6
/* What an input of six pixels takes. */
#define GEMM_WORDS 4

/* All channels of six packed pixels. */
void gemm_six(const gemm *g);

/* Packs `rows` times `count` inputs of each of three pixels, rows every `step` bytes: two words for each input, and two free. */
void gemm_pack(const int8_t *const *pixels, int32_t count, uint32_t *packed, int32_t rows, int32_t step);

/* Writes one channel from the sums of its products, one for each pixel. */
void gemm_store(const gemm *g, int32_t channel, const int32_t *sums);

/* Sets what follows from the weights' and the channels' form. */
void gemm_set_form(gemm *g, const output_form *form, int32_t first_channel);

#endif
