/* From sums to int8, with the constants of an output channel at hand; see REQUANTIZATION in src/plan/layout.ts. */
#ifndef THUMBNET_CHANNEL_H
#define THUMBNET_CHANNEL_H

#include <stdint.h>

#include "records.h"

typedef struct {
  /* EXACT: the bias. */
  int32_t offset;
  /* EXACT: the multiplier. TWO_PART: the high factor. */
  int32_t factor;
  /* EXACT: the shift. TWO_PART: the low factor. */
  int32_t fine;
} channel_parameters;

/* How all channels of an operator become int8. */
typedef struct {
  const image_requantization *table;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} output_form;

static inline output_form output_form_at(const uint8_t *image, uint32_t table, int32_t zero_point, int32_t low,
                                         int32_t high) {
  const output_form form = {(const image_requantization *)(const void *)(image + table), zero_point, low, high};
  return form;
}

channel_parameters channel_at(const output_form *form, int32_t channel);

/* `sum` of (x + 128) * (weight - zero point). */
int8_t to_int8(int32_t sum, const channel_parameters *channel, const output_form *form);

/* One sum of each of `count` channels, from `first` on, to as many outputs. */
void channels_to_int8(const output_form *form, int32_t first, const int32_t *sums, int32_t count, int8_t *output);

#endif
