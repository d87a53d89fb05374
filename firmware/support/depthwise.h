/*
 * One channel of a depthwise convolution. Its plane is copied to scratch first, padding included, with x + 128 in [0, 255]
 * for each element: all of it is read before any output is written, so that the output may lie on the input.
 *
 * The output's rows are three bands, one below the other, whose sums are made at once: an element of the plane has two
 * words for three elements of the input, a band apart (see lanes.h). Windows of more than LANE_INPUTS elements have one
 * band and one word. A sum is left where its window began in the plane: no later window reaches there.
 */
#ifndef THUMBNET_DEPTHWISE_H
#define THUMBNET_DEPTHWISE_H

#include <stdint.h>

#include "channel.h"

/* Rows or columns. Steps are bytes from one to the next. */
typedef struct {
  int32_t input;
  int32_t output;
  int32_t taps;
  int32_t stride;
  int32_t dilation;
  int32_t padding;
  int32_t input_step;
  int32_t output_step;
  int32_t weight_step;
} depthwise_axis;

typedef struct {
  depthwise_axis rows;
  depthwise_axis columns;
  /* Output rows of a band. */
  int32_t band;
  /* Rows and columns of the plane; words of an element. */
  int32_t height;
  int32_t width;
  int32_t words;
  /* x + 128 of the padding. */
  uint32_t padding;
} depthwise_plane;

/* Copies a channel, whose first element is at `input`, into the plane. */
void depthwise_pack(const depthwise_plane *p, const int8_t *input, uint32_t *plane);

/* Sums of all windows: those of output row y, column x of a band at its first element. */
void depthwise_sum(const depthwise_plane *p, const int8_t *weights, uint32_t *plane);

/* All sums to int8. */
void depthwise_store(const depthwise_plane *p, const channel_parameters *channel, const output_form *form,
                     const uint32_t *plane, int8_t *output);

#endif
