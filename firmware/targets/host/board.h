/* What the example needs of a board, on a machine with a C library. */
#ifndef THUMBNET_BOARD_H
#define THUMBNET_BOARD_H

#include <stdio.h>

static inline void board_init(void) {}

static inline void board_putc(char character) { putchar(character); }

/* A null pointer: there is no counter of cycles that all machines have. */
#define board_cycles 0

#endif
