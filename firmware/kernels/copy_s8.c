/* Rows of bytes into rows that lie `output_stride` apart: one input of a concatenation. */
#include <string.h>

#include "../support/kernel.h"
#include "../support/operand.h"

void copy_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const copy_s8_record *r = (const copy_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  for (uint32_t i = 0; i < r->rows; i++) {
    memcpy(output, input, r->row_bytes);
    input += r->row_bytes;
    output += r->output_stride;
  }
}
