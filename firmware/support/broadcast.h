/* Two inputs that broadcast over four dimensions, outermost first. */
#ifndef THUMBNET_BROADCAST_H
#define THUMBNET_BROADCAST_H

#include <stdint.h>

/* Steps in elements along each dimension; 0 where the input broadcasts (bit d of the mask). */
static inline void broadcast_steps(uint32_t mask, const uint32_t size[4], uint32_t steps[4]) {
  uint32_t step = 1;
  for (int32_t d = 3; d >= 0; d--) {
    const uint32_t broadcasts = (mask >> d) & 1u;
    steps[d] = broadcasts != 0 ? 0 : step;
    if (broadcasts == 0) step *= size[d];
  }
}

/* A row of the innermost dimension: what kernels of two inputs work on. */
typedef void (*row_function)(const void *record, const int8_t *a, const int8_t *b, int8_t *output, uint32_t count,
                             uint32_t step_a, uint32_t step_b);

/* Calls `row` for each row of the output, in order. */
void broadcast_rows(const void *record, row_function row, const uint32_t size[4], uint32_t mask_a, uint32_t mask_b,
                    const int8_t *a, const int8_t *b, int8_t *output);

#endif
