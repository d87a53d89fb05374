/*
 * One channel of a depthwise convolution. Its plane is copied to scratch first, padding included, with x + 128 in [0, 255]
 * for each element: all of it is read before any output is written, so that the output may lie on the input.
 *
 * The output's rows are three bands of as many rows, one below the other, whose sums are made at once: an element of the plane has two
 * words for three elements of the input, a band apart (see lanes.h). Windows of more than LANE_INPUTS elements have one
 * band and one word.
 *
 * depthwise.c and depthwise_pack_armv6m.S and depthwise_3x3_armv6m.S do the same; these are for the chip, the last for
 * windows of 3x3.
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

/* depthwise_armv6m.inc knows where the fields lie. */
typedef struct {
  depthwise_axis rows;
  depthwise_axis columns;
  uint32_t *plane;
  /* Of the plane, in elements. */
  int32_t height;
  int32_t width;
  /* Output rows of a band. */
  int32_t band;
  /* Columns of the plane that are input, and how many are padding before them. */
  int32_t inside;
  int32_t before;
  /* x + 128 of the padding. */
  uint32_t padding;
  /* Of the channel. */
  channel_parameters channel;
  int32_t low;
  int32_t most;
  /* Output rows before the second and the third band: where there are too few rows, bands share some. */
  int32_t second;
  int32_t third;
  /* Words of an element. */
  int32_t words;
  const output_form *form;
} depthwise_plane;

/* Sets what follows from the axes, and fills the plane with padding: its columns stay. */
void depthwise_begin(depthwise_plane *p);

/* Copies a channel, whose first element is at `input`, into the plane: one of two words. */
void depthwise_pack(const depthwise_plane *p, const int8_t *input);

/* Whether depthwise_3x3 can do it. */
static inline int depthwise_is_3x3(const depthwise_plane *p) {
  const image_requantization *table = p->form->table;
  return p->words == 2 && p->rows.taps == 3 && p->columns.taps == 3 && p->columns.dilation == 1 &&
         table->form == REQUANTIZE_TWO_PART && table->product_shift == 13 && table->output_shift == 18;
}

/* All windows of a channel, from the plane to the output. */
void depthwise_3x3(const depthwise_plane *p, const int8_t *weights, int8_t *output);

/* The same for any window and form, and any plane. */
void depthwise_pack_any(const depthwise_plane *p, const int8_t *input);
void depthwise_any(const depthwise_plane *p, const int8_t *weights, int8_t *output);

#endif
