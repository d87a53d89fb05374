/* Weights of an operator times columns of input: what pointwise and full convolution have in common. */
#ifndef THUMBNET_MATRIX_H
#define THUMBNET_MATRIX_H

#include <stdint.h>

#include "channel.h"

typedef struct {
  /* [channels, depth] */
  const int8_t *weights;
  channel_tables tables;
  int32_t depth;
  int32_t channels;
  output_range range;
} matrix;

/*
 * Two columns of `depth` int8, all channels: out0[c] and out1[c]. For a single column pass it twice, with
 * out1 = out0.
 */
void matrix_columns(const matrix *m, const int8_t *column0, const int8_t *column1, int8_t *out0, int8_t *out1);

#endif
