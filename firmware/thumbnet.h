/*
 * thumbnet on a microcontroller: runs a network that lies in flash as an image, in a few calls.
 *
 *   static uint8_t arena[ARENA_BYTES] __attribute__((aligned(4)));
 *   thumbnet_model model;
 *   if (thumbnet_init(&model, image, arena, sizeof arena) != THUMBNET_OK) ...;
 *   memcpy(thumbnet_input(&model, 0), samples, thumbnet_input_bytes(&model, 0));
 *   const int8_t *scores = thumbnet_output(&model, thumbnet_run(&model, 0, 0));
 *
 * No heap, no float, nothing global: several models can be used side by side, each with an arena of its own.
 */
#ifndef THUMBNET_H
#define THUMBNET_H

#include <stdint.h>

typedef enum {
  THUMBNET_OK = 0,
  /* The bytes are no thumbnet image. */
  THUMBNET_NO_IMAGE,
  /* The image has another version than this code: export the model again. */
  THUMBNET_OTHER_VERSION,
  /* The CRC-32 does not match: the image was cut off or changed. */
  THUMBNET_DAMAGED,
  /* The arena is smaller than the image asks for, or not aligned to 4 bytes. */
  THUMBNET_SMALL_ARENA,
  /* The image uses a kernel that was not linked in: build with the sources that were exported with it. */
  THUMBNET_NO_KERNEL
} thumbnet_status;

typedef struct {
  const uint8_t *image;
  uint8_t *arena;
  /*
   * Thresholds of early exits, of yours: for each exit and each class, exit by exit, the least measure in 1/256 at which
   * it answers, 256 for never. 0 (what thumbnet_init sets): those of the image.
   */
  const uint16_t *thresholds;
} thumbnet_model;

/*
 * Called after each operator with its index in the model file, and its output. `bytes` of a float32 output at
 * the edge count its int8 elements; they are 0 for an operator that runs in slices of rows together with later ones,
 * whose output never exists whole.
 */
typedef void (*thumbnet_observer)(void *context, uint32_t index, const int8_t *output, uint32_t bytes);

/* Checks the image (aligned to 4 bytes) and takes the arena. Everything else needs THUMBNET_OK from here. */
thumbnet_status thumbnet_init(thumbnet_model *model, const void *image, void *arena, uint32_t arena_bytes);

/* Where to write input `index`; its content is used up by a run. */
int8_t *thumbnet_input(const thumbnet_model *model, uint32_t index);
uint32_t thumbnet_input_bytes(const thumbnet_model *model, uint32_t index);

/*
 * Runs the network once. `observer` may be 0. Returns the index of the output that answered: an early exit's, behind
 * which nothing has run, or that of the final one. Where there are no exits: 0, and all outputs are there.
 */
uint32_t thumbnet_run(const thumbnet_model *model, thumbnet_observer observer, void *context);

/* How many early exits the model has. Each is one of its outputs. */
uint32_t thumbnet_exit_count(const thumbnet_model *model);

/* Output `index` of the last run; where there are early exits only that of the output which answered. */
const int8_t *thumbnet_output(const thumbnet_model *model, uint32_t index);
uint32_t thumbnet_output_bytes(const thumbnet_model *model, uint32_t index);

/* CRC-32 (zlib's) of some bytes, going on from `previous` (0 at first). */
uint32_t thumbnet_crc32(uint32_t previous, const void *bytes, uint32_t count);

#endif
