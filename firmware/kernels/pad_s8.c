/* Puts a border of one value around up to four dimensions of bytes. */
#include <string.h>

#include "../support/kernel.h"
#include "../support/operand.h"

void pad_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const pad_s8_record *r = (const pad_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const uint32_t row = r->before3 + r->dim3 + r->after3;
  const uint32_t plane = row * (r->before2 + r->dim2 + r->after2);
  const uint32_t block = plane * (r->before1 + r->dim1 + r->after1);
  memset(output, r->value, block * (r->before0 + r->dim0 + r->after0));
  for (uint32_t i0 = 0; i0 < r->dim0; i0++) {
    for (uint32_t i1 = 0; i1 < r->dim1; i1++) {
      int8_t *to = output + (r->before0 + i0) * block + (r->before1 + i1) * plane + r->before2 * row + r->before3;
      for (uint32_t i2 = 0; i2 < r->dim2; i2++) {
        memcpy(to, input, r->dim3);
        input += r->dim3;
        to += row;
      }
    }
  }
}
