/* From reset to main: vector table, .data, .bss. Nothing of a C library is needed. */
#include <stdint.h>

/* Where the linker script puts things. */
extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

int main(void);

void reset(void);
void unexpected_exception(void);

/* An exception that nobody handles, a hard fault among them: stay here for the debugger. */
void unexpected_exception(void) {
  for (;;) __asm__ volatile("nop");
}

void systick(void) __attribute__((weak, alias("unexpected_exception")));

typedef void (*handler)(void);

typedef struct {
  uint32_t *stack;
  handler exceptions[15];
  handler interrupts[26];
} vector_table;

/* Interrupts stay off: the entries only catch mistakes. SysTick is for who defines `systick` (board.c). */
#define NONE unexpected_exception
const vector_table vectors __attribute__((section(".vectors"), used)) = {
    stack_top,
    {reset, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, systick},
    {NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
     NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE},
};

void reset(void) {
  const uint32_t *from = data_load;
  if (from != data_start) {
    for (uint32_t *to = data_start; to != data_end; to++) *to = *from++;
  }
  for (uint32_t *to = bss_start; to != bss_end; to++) *to = 0;
  main();
  for (;;) __asm__ volatile("wfi");
}

/*
 * Where a program in RAM begins (ram.ld): the bootrom jumps to the lowest address after a download over USB, a
 * debugger wherever the file says. Neither has set the stack or the vector table.
 */
__attribute__((naked, section(".entry"), used)) void entry(void) {
  __asm__ volatile(
      "ldr r0, =vectors\n"
      "ldr r1, =0xe000ed08\n" /* VTOR */
      "str r0, [r1]\n"
      "ldmia r0!, {r1, r2}\n"
      "msr msp, r1\n"
      "bx r2\n"
      ".pool\n");
}
