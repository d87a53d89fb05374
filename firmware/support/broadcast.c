#include "broadcast.h"

void broadcast_rows(const void *record, row_function row, const uint32_t size[4], uint32_t mask_a, uint32_t mask_b,
                    const int8_t *a, const int8_t *b, int8_t *output) {
  uint32_t step_a[4], step_b[4];
  broadcast_steps(mask_a, size, step_a);
  broadcast_steps(mask_b, size, step_b);
  for (uint32_t i0 = 0; i0 < size[0]; i0++) {
    for (uint32_t i1 = 0; i1 < size[1]; i1++) {
      for (uint32_t i2 = 0; i2 < size[2]; i2++) {
        const int8_t *from_a = a + i0 * step_a[0] + i1 * step_a[1] + i2 * step_a[2];
        const int8_t *from_b = b + i0 * step_b[0] + i1 * step_b[1] + i2 * step_b[2];
        row(record, from_a, from_b, output, size[3], step_a[3], step_b[3]);
        output += size[3];
      }
    }
  }
}
