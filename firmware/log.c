#include "log.h"

#include "support/records.h"

/* What the observer must know from one operator to the next. */
typedef struct {
  const thumbnet_log *log;
  uint32_t start;
} observation;

static void put_text(const thumbnet_log *log, const char *text) {
  while (*text != '\0') log->put(*text++);
}

static void put_hex(const thumbnet_log *log, uint32_t value, int32_t digits) {
  for (int32_t shift = 4 * (digits - 1); shift >= 0; shift -= 4) log->put("0123456789abcdef"[(value >> shift) & 15u]);
}

static void put_decimal(const thumbnet_log *log, uint32_t value) {
  char digits[10];
  int32_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value != 0);
  while (count > 0) log->put(digits[--count]);
}

static void put_crc(const thumbnet_log *log, const char *what, uint32_t index, const int8_t *bytes, uint32_t count) {
  put_text(log, what);
  put_decimal(log, index);
  put_text(log, " crc ");
  put_hex(log, thumbnet_crc32(0, bytes, count), 8);
}

static void observe(void *context, uint32_t index, const int8_t *output, uint32_t bytes) {
  observation *seen = (observation *)context;
  const thumbnet_log *log = seen->log;
  const uint32_t cycles = log->cycles == 0 ? 0 : log->cycles() - seen->start;
  if (bytes == 0) {
    put_text(log, "operator ");
    put_decimal(log, index);
    put_text(log, " in slices");
  } else {
    put_crc(log, "operator ", index, output, bytes);
  }
  if (log->cycles != 0) {
    put_text(log, " cycles ");
    put_decimal(log, cycles);
  }
  put_text(log, "\n");
  /* What the log itself takes belongs to no operator. */
  if (log->cycles != 0) seen->start = log->cycles();
}

static void put_output(const thumbnet_model *model, const thumbnet_log *log, uint32_t index) {
  const int8_t *output = thumbnet_output(model, index);
  put_text(log, "output ");
  put_decimal(log, index);
  for (uint32_t b = 0; b < thumbnet_output_bytes(model, index); b++) {
    log->put(' ');
    put_hex(log, (uint8_t)output[b], 2);
  }
  put_text(log, "\n");
}

/* Which exit the output that answered is, and the largest of its probabilities. */
static void put_exit(const thumbnet_model *model, const thumbnet_log *log, uint32_t output) {
  const image_header *header = (const image_header *)(const void *)model->image;
  const image_exit *exits = (const image_exit *)(const void *)(model->image + header->exits_offset);
  const int8_t *scores = thumbnet_output(model, output);
  uint32_t exit = 0;
  int32_t top = scores[0];
  while (exit < header->exit_count && exits[exit].output != output) exit++;
  for (uint32_t c = 1; c < thumbnet_output_bytes(model, output); c++) {
    if (scores[c] > top) top = scores[c];
  }
  put_text(log, "exit ");
  if (exit < header->exit_count) {
    put_decimal(log, exit);
  } else {
    put_text(log, "none");
  }
  put_text(log, " confidence ");
  put_decimal(log, (uint32_t)(top + 128));
  put_text(log, "\n");
}

void thumbnet_run_logged(const thumbnet_model *model, const thumbnet_log *log) {
  const image_header *header = (const image_header *)(const void *)model->image;
  put_text(log, "thumbnet 1 image ");
  put_hex(log, header->crc32, 8);
  put_text(log, "\n");
  for (uint32_t i = 0; i < header->input_count; i++) {
    put_crc(log, "input ", i, thumbnet_input(model, i), thumbnet_input_bytes(model, i));
    put_text(log, "\n");
  }
  observation seen = {log, log->cycles == 0 ? 0 : log->cycles()};
  const uint32_t answered = thumbnet_run(model, observe, &seen);
  if (thumbnet_exit_count(model) != 0) {
    put_exit(model, log, answered);
    put_output(model, log, answered);
  } else {
    for (uint32_t i = 0; i < header->output_count; i++) put_output(model, log, i);
  }
  put_text(log, "end\n");
}
