/* output[i] = table[(uint8_t)input[i]]: every operator of one element. The output may lie on the input. */
#include "../support/kernel.h"
#include "../support/operand.h"

void lookup_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const lookup_s8_record *r = (const lookup_s8_record *)record;
  (void)scratch;
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const int8_t *table = (const int8_t *)(image + r->table);
  for (uint32_t i = 0; i < r->count; i++) output[i] = table[(uint8_t)input[i]];
}
