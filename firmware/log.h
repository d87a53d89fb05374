/*
 * A run as lines of text, for a UART: `thumbnet verify --log` compares it with what the model must give.
 *
 *   thumbnet 1 image 5f3a9c10
 *   input 0 crc c711a7f3
 *   operator 0 crc 4c1b1790 cycles 4200000      (cycles only where there is a counter)
 *   operator 1 in slices cycles 0               (it runs with later ones, its output never exists whole)
 *   ...
 *   exit 0 confidence 231                       (only of a model with early exits: which answered, in 1/256;
 *                                               "exit none": the final output did)
 *   output 0 80 7f 03 ...                       (then only of the output that answered)
 *   end
 */
#ifndef THUMBNET_LOG_H
#define THUMBNET_LOG_H

#include "thumbnet.h"

typedef struct {
  /* Sends one character. */
  void (*put)(char character);
  /* A counter that counts cycles up and wraps at 2^32; 0 where there is none. */
  uint32_t (*cycles)(void);
} thumbnet_log;

/* Runs the model on the inputs that lie in the arena, and logs inputs, operators and outputs. */
void thumbnet_run_logged(const thumbnet_model *model, const thumbnet_log *log);

#endif
