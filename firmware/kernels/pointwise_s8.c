/*
 * 1x1 convolution, stride 1: input [pixels, C_in], weights [C_out, C_in] with rows of whole words, output
 * [pixels, C_out], all int8. Per output channel int32 bias (input zero point folded in) and requantisation; see
 * docs/arithmetic.md. Output and input may be the same bytes if C_out <= C_in.
 *
 * Scratch: 16 bytes for each input channel.
 */
#include "../support/gemm.h"
#include "../support/kernel.h"
#include "../support/operand.h"

/* Compiled for speed: its loops are worth more than their bytes. */

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
  for (int32_t left = (int32_t)r->pixels; left > 0; left -= GEMM_PIXELS) {
    const int8_t *pixels[GEMM_PIXELS];
    for (int32_t p = 0; p < GEMM_PIXELS; p++) {
      pixels[p] = input;
      if (p + 1 < left) input += depth;
    }
    gemm_pack(pixels, depth, g.packed, 1, 0);
    gemm_pack(pixels + 3, depth, g.packed + 2, 1, 0);
    g.pixels = left < GEMM_PIXELS ? left : GEMM_PIXELS;
    gemm_six(&g);
    g.output += GEMM_PIXELS * g.step;
  }
}
