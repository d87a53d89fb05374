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

/* The words behind the head of the table. */
static inline const int32_t *words_of(const output_form *form) {
  return (const int32_t *)(const void *)(form->table + 1);
}

static inline channel_parameters channel_at(const output_form *form, int32_t channel) {
  const image_requantization *table = form->table;
  const int32_t *words = words_of(form);
  channel_parameters p;
  if (table->form == REQUANTIZE_TWO_PART) {
    const int32_t factors = words[2 * channel];
    p.offset = words[2 * channel + 1];
    p.factor = factors >> 16;
    p.fine = (int16_t)factors;
  } else {
    const int32_t channels = (int32_t)table->channels;
    const int32_t factor = table->per_channel != 0 ? channel : 0;
    const int32_t factors = table->per_channel != 0 ? channels : 1;
    p.offset = words[channel];
    p.factor = words[channels + factor];
    p.fine = ((const int8_t *)(words + channels + factors))[factor];
  }
  return p;
}

/* `sum` of (x + 128) * (weight - zero point). */
int8_t to_int8(int32_t sum, const channel_parameters *channel, const output_form *form);

/* One sum of each of `count` channels, from `first` on, to as many outputs. */
void channels_to_int8(const output_form *form, int32_t first, const int32_t *sums, int32_t count, int8_t *output);

#endif
