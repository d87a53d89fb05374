#include "channel.h"

#include "requantize.h"

/* Compiled for speed: its loops are worth more than their bytes. */

static int8_t exact(int32_t accumulator, int32_t multiplier, int32_t shift, const output_form *form) {
  return (int8_t)clamp(requantize(accumulator, multiplier, shift) + form->zero_point, form->low, form->high);
}

int8_t to_int8(int32_t sum, const channel_parameters *channel, const output_form *form) {
  const image_requantization *table = form->table;
  if (table->form == REQUANTIZE_TWO_PART) {
    const int32_t value =
        two_part(sum, channel->factor, channel->fine, channel->offset, table->product_shift, table->output_shift);
    return (int8_t)(form->low + clamp_from_zero(value, form->high - form->low));
  }
  return exact(sum + channel->offset, channel->factor, channel->fine, form);
}

void channels_to_int8(const output_form *form, int32_t first, const int32_t *sums, int32_t count, int8_t *output) {
  const image_requantization *table = form->table;
  const int32_t *end = sums + count;
  if (table->form == REQUANTIZE_TWO_PART) {
    const int32_t product_shift = table->product_shift, output_shift = table->output_shift;
    const int32_t low = form->low, most = form->high - low;
    const int32_t *words = words_of(form) + 2 * first;
    while (sums != end) {
      const int32_t factors = *words++;
      const int32_t value = two_part(*sums++, factors >> 16, (int16_t)factors, *words++, product_shift, output_shift);
      *output++ = (int8_t)(low + clamp_from_zero(value, most));
    }
  } else {
    const int32_t step = table->per_channel;
    const int32_t channels = (int32_t)table->channels;
    const int32_t *bias = words_of(form) + first;
    const int32_t *factor = words_of(form) + channels + step * first;
    const int8_t *shift = (const int8_t *)(words_of(form) + channels + (step != 0 ? channels : 1)) + step * first;
    while (sums != end) {
      *output++ = exact(*sums++ + *bias++, *factor, *shift, form);
      factor += step;
      shift += step;
    }
  }
}
