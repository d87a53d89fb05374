/*
 * Runs the network once, on the sample, and sends what every operator made over the serial port, as log.h says:
 * `thumbnet verify --log` compares it with what the network must give. For a program of your own: write your
 * data where this one writes the sample, and use what a run returns.
 */
#include <string.h>

#include "board.h"
#include "log.h"
#include "model.h"
#include "sample.h"

static void put_text(const char *text) {
  while (*text != '\0') board_putc(*text++);
}

static void fill_inputs(void) {
  const int8_t *from = sample;
  for (uint32_t i = 0; i < MODEL_INPUT_COUNT; i++) {
    int8_t *input = thumbnet_input(&model_handle, i);
    const uint32_t bytes = thumbnet_input_bytes(&model_handle, i);
    if (from == 0) {
      memset(input, 0, bytes);
    } else {
      memcpy(input, from, bytes);
      from += bytes;
    }
  }
}

int main(void) {
  board_init();
  const int status = model_init();
  if (status != THUMBNET_OK) {
    put_text("the image is refused, status ");
    board_putc((char)('0' + status));
    put_text("\n");
    return 1;
  }
  fill_inputs();
  const thumbnet_log log = {board_putc, board_cycles};
  thumbnet_run_logged(&model_handle, &log);
  return 0;
}
