/*
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in] with rows of whole words, output
 * [pixels, C_out], all int8. Per output channel int32 bias (input zero point folded in) and requantisation; see
 * docs/arithmetic.md. Output and input may be the same bytes if C_out <= C_in.
 *
 * Scratch: 16 bytes for each input channel, or 8 with three columns.
 */
#include "../support/gemm.h"
#include "../support/kernel.h"
#include "../support/operand.h"

void pointwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const pointwise_s8_record *r = (const pointwise_s8_record *)record;
  const int32_t depth = r->input_channels;
  gemm g = {
      .packed = (uint32_t *)(void *)scratch,
      .weights = (const int8_t *)(image + r->weights),
      .depth = depth,
      .unpack = r->unpack,
      .is_sparse = r->sparse,
      .channels = r->output_channels,
      .output = output_address(r->output, arena),
      .step = r->output_channels,
  };
  const output_form form =
      output_form_at(image, r->requantization, r->output_zero_point, r->activation_min, r->activation_max);
  gemm_set_form(&g, &form, 0);
  const int8_t *input = operand_address(r->input, image, arena);
  for (int32_t left = (int32_t)r->pixels; left > 0;) {
    const int32_t words = left > 3 && r->columns > 3 ? 4 : 2;
    const int32_t most = words == 4 ? 6 : 3;
    const int32_t count = left < most ? left : most;
    for (int32_t p = 0; p < most; p += 3) {
      /* The last pixel stands for what is not there. */
      const int8_t *pixels[3] = {input};
      pixels[1] = p + 1 < count ? input + depth : input;
      pixels[2] = p + 2 < count ? pixels[1] + depth : pixels[1];
      gemm_pack(pixels, depth, g.packed + (p > 0 ? 2 : 0), words, 1, 0);
      input = p + 3 < count ? pixels[2] + depth : pixels[2];
    }
    input += depth;
    g.pixels = count;
    if (words == 4) {
      gemm_six(&g);
    } else {
      gemm_three(&g);
    }
    g.output += count * g.step;
    left -= count;
  }
}
