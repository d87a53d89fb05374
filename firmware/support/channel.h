/* From accumulators to int8, with the parameters of an output channel at hand. */
#ifndef THUMBNET_CHANNEL_H
#define THUMBNET_CHANNEL_H

#include <stdint.h>

#include "requantize.h"

typedef struct {
  int32_t bias;
  int32_t multiplier;
  int32_t shift;
} channel_parameters;

typedef struct {
  const int32_t *bias;
  const int32_t *multipliers;
  const int8_t *shifts;
} channel_tables;

/* The limits and zero point that all channels of an operator share. */
typedef struct {
  int32_t zero_point;
  int32_t low;
  int32_t high;
} output_range;

static inline channel_tables tables_at(const uint8_t *image, uint32_t bias, uint32_t multipliers, uint32_t shifts) {
  const channel_tables tables = {
      (const int32_t *)(const void *)(image + bias),
      (const int32_t *)(const void *)(image + multipliers),
      (const int8_t *)(image + shifts),
  };
  return tables;
}

static inline channel_parameters channel_at(const channel_tables *tables, int32_t channel) {
  const channel_parameters parameters = {
      tables->bias[channel],
      tables->multipliers[channel],
      tables->shifts[channel],
  };
  return parameters;
}

static inline int8_t to_int8(int32_t sum, const channel_parameters *channel, const output_range *range) {
  const int32_t value = requantize(sum, channel->multiplier, channel->shift) + range->zero_point;
  return (int8_t)clamp(value, range->low, range->high);
}

#endif
