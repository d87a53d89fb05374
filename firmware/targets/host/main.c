/*
 * Runs an image on the host, for comparison with the chip:
 *
 *   thumbnet-host IMAGE INPUT                     logs every run on standard output, as log.h says
 *   thumbnet-host --arena (IMAGE INPUT ARENA)...  writes to each ARENA for each run: the number of operators that ran
 *                                                 and the output that answered (u32 each, of this machine), then the
 *                                                 whole arena after each of these operators
 *
 * INPUT holds any number of runs, one after the other; in each, the model's inputs in order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../log.h"
#include "../../support/records.h"

typedef struct {
  uint8_t *bytes;
  uint32_t count;
} file_content;

static void fail(const char *what, const char *path) {
  fprintf(stderr, "thumbnet-host: %s: %s\n", path, what);
  exit(1);
}

static file_content read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("cannot be opened", path);
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  file_content content = {malloc((size_t)size + 1), (uint32_t)size};
  if (content.bytes == NULL || fread(content.bytes, 1, (size_t)size, file) != (size_t)size) fail("cannot be read", path);
  fclose(file);
  return content;
}

static void put(char character) { putchar(character); }

typedef struct {
  FILE *file;
  const thumbnet_model *model;
  uint32_t arena_bytes;
  uint32_t operators;
} dump;

static void dump_arena(void *context, uint32_t index, const int8_t *output, uint32_t bytes) {
  dump *to = (dump *)context;
  (void)index;
  (void)output;
  (void)bytes;
  to->operators++;
  fwrite(to->model->arena, 1, to->arena_bytes, to->file);
}

/* A run's arenas, and in front of them what is only known behind. */
static void dump_run(dump *to) {
  uint32_t head[2] = {0, 0};
  const long start = ftell(to->file);
  fwrite(head, sizeof head, 1, to->file);
  to->operators = 0;
  head[1] = thumbnet_run(to->model, dump_arena, to);
  head[0] = to->operators;
  fseek(to->file, start, SEEK_SET);
  fwrite(head, sizeof head, 1, to->file);
  fseek(to->file, 0, SEEK_END);
}

static void load_inputs(const thumbnet_model *model, uint32_t count, const uint8_t *from) {
  for (uint32_t i = 0; i < count; i++) {
    memcpy(thumbnet_input(model, i), from, thumbnet_input_bytes(model, i));
    from += thumbnet_input_bytes(model, i);
  }
}

/* Every run in INPUT: logged, or its arenas written to `arena_path`. */
static void run_file(const char *image_path, const char *input_path, const char *arena_path) {
  const file_content image = read_file(image_path);
  const file_content input = read_file(input_path);
  const image_header *header = (const image_header *)(const void *)image.bytes;
  if (image.count < sizeof(image_header) || header->image_bytes != image.count) fail("is no whole image", image_path);
  const uint32_t arena_bytes = header->arena_bytes + header->scratch_bytes;
  uint8_t *arena = calloc(arena_bytes + 1, 1);
  if (arena == NULL) fail("asks for too much memory", image_path);
  thumbnet_model model;
  if (thumbnet_init(&model, image.bytes, arena, arena_bytes) != THUMBNET_OK) fail("is refused", image_path);
  uint32_t run_bytes = 0;
  for (uint32_t i = 0; i < header->input_count; i++) run_bytes += thumbnet_input_bytes(&model, i);
  if (run_bytes == 0 || input.count % run_bytes != 0) fail("is no whole number of inputs", input_path);

  const thumbnet_log log = {put, 0};
  dump to = {arena_path == NULL ? NULL : fopen(arena_path, "wb"), &model, header->arena_bytes, 0};
  if (arena_path != NULL && to.file == NULL) fail("cannot be written", arena_path);
  for (uint32_t at = 0; at < input.count; at += run_bytes) {
    /* From a clean arena, so that what no operator has written is the same everywhere. */
    memset(arena, 0, arena_bytes);
    load_inputs(&model, header->input_count, input.bytes + at);
    if (to.file == NULL) {
      thumbnet_run_logged(&model, &log);
    } else {
      dump_run(&to);
    }
  }
  if (to.file != NULL && fclose(to.file) != 0) fail("cannot be written", arena_path);
  free(arena);
  free(image.bytes);
  free(input.bytes);
}

int main(int argc, char **argv) {
  const int dumps = argc > 1 && strcmp(argv[1], "--arena") == 0;
  if (dumps ? argc < 5 || argc % 3 != 2 : argc != 3) {
    fprintf(stderr, "usage: %s IMAGE INPUT\n       %s --arena (IMAGE INPUT ARENA)...\n", argv[0], argv[0]);
    return 2;
  }
  if (!dumps) run_file(argv[1], argv[2], NULL);
  for (int i = 2; dumps && i < argc; i += 3) run_file(argv[i], argv[i + 1], argv[i + 2]);
  return 0;
}
