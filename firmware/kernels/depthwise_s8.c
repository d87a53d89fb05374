/*
 * Depthwise convolution: input [N, H, W, C], weights [1, KH, KW, C * multiplier], output
 * [N, OH, OW, C * multiplier], all int8; output channel c reads input channel c / multiplier. Padding counts as the input
 * zero point. Requantisation for each output channel; see docs/arithmetic.md.
 *
 * Scratch: the plane of one channel, see support/depthwise.h.
 */
#include "../support/depthwise.h"
#include "../support/kernel.h"
#include "../support/operand.h"

static depthwise_axis rows_of(const depthwise_s8_record *r) {
  const depthwise_axis axis = {
      .input = r->input_height,
      .output = r->output_height,
      .taps = r->kernel_height,
      .stride = r->stride_height,
      .dilation = r->dilation_height,
      .padding = r->pad_top,
      .input_step = r->input_width * r->input_channels,
      .output_step = r->output_width * r->output_channels,
      .weight_step = r->kernel_width * r->output_channels,
  };
  return axis;
}

static depthwise_axis columns_of(const depthwise_s8_record *r) {
  const depthwise_axis axis = {
      .input = r->input_width,
      .output = r->output_width,
      .taps = r->kernel_width,
      .stride = r->stride_width,
      .dilation = r->dilation_width,
      .padding = r->pad_left,
      .input_step = r->input_channels,
      .output_step = r->output_channels,
      .weight_step = r->output_channels,
  };
  return axis;
}

void depthwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch) {
  const depthwise_s8_record *r = (const depthwise_s8_record *)record;
  const output_form form =
      output_form_at(image, r->requantization, r->output_zero_point, r->activation_min, r->activation_max);
  depthwise_plane p = {
      .rows = rows_of(r),
      .columns = columns_of(r),
      .plane = (uint32_t *)(void *)scratch,
      .padding = (uint32_t)(r->input_zero_point + 128),
      .low = form.low,
      .most = form.high - form.low,
      .form = &form,
  };
  depthwise_begin(&p);
  const int is_3x3 = depthwise_is_3x3(&p);
  const int8_t *input = operand_address(r->input, image, arena);
  int8_t *output = output_address(r->output, arena);
  const int8_t *weights = (const int8_t *)(image + r->weights);
  for (int32_t n = 0; n < r->batch; n++) {
    for (int32_t c = 0; c < r->output_channels; c++) {
      p.channel = channel_at(&form, c);
      const int8_t *from = input + (r->depth_multiplier == 1 ? c : c / r->depth_multiplier);
      if (p.words == 2) {
        depthwise_pack(&p, from);
      } else {
        depthwise_pack_any(&p, from);
      }
      if (is_3x3) {
        depthwise_3x3(&p, weights + c, output + c);
      } else {
        depthwise_any(&p, weights + c, output + c);
      }
    }
    input += r->input_height * r->input_width * r->input_channels;
    output += r->output_height * r->output_width * r->output_channels;
  }
}
