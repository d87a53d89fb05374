/*
 * Runs any image on the emulated chip (src/mcu/emulator.ts). Host and chip talk through `mailbox`, in turns: the
 * chip stops at a breakpoint, the host reads and writes memory and lets it go on.
 */
#include "thumbnet.h"

/* Numbers of the breakpoints. */
#define STOP_START 0   /* The mailbox is there: the host fills it. */
#define STOP_READY 1   /* The image has been checked (`status`) or run (`answered`): the host writes the next inputs. */
#define STOP_OPERATOR 2 /* An operator is done: `index`, `output`, `bytes`. */

#define STOP(number) __asm__ volatile("bkpt %0" ::"i"(number) : "memory")

typedef struct {
  /* Written by the host. */
  const void *image;
  void *arena;
  uint32_t arena_bytes;
  uint32_t stop_after_operators;
  /* Written by the chip. */
  uint32_t status;
  uint32_t index;
  const int8_t *output;
  uint32_t bytes;
  uint32_t answered;
} emulated_mailbox;

volatile emulated_mailbox mailbox;

static void after_operator(void *context, uint32_t index, const int8_t *output, uint32_t bytes) {
  (void)context;
  mailbox.index = index;
  mailbox.output = output;
  mailbox.bytes = bytes;
  STOP(STOP_OPERATOR);
}

int main(void) {
  STOP(STOP_START);
  thumbnet_model model;
  mailbox.status = (uint32_t)thumbnet_init(&model, mailbox.image, mailbox.arena, mailbox.arena_bytes);
  for (;;) {
    STOP(STOP_READY);
    mailbox.answered = thumbnet_run(&model, mailbox.stop_after_operators != 0 ? after_operator : 0, 0);
  }
}
