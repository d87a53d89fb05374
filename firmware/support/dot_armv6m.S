/*
 * dot_four of dot.h for ARMv6-M: 34 cycles for two inputs of four outputs, and 4 for each four pairs:
 *
 *   r0 inputs   r1 weights   r2, r3 two inputs   r4, r5 eight weights   r6 one weight, product   r8-r11 sums
 *   r12 end of the inputs
 */
#include "armv6m.inc"

  .equ STACK_BYTES, 40

/* The weights of two inputs and two outputs, in one word. */
.macro two_outputs word, sum0, sum1
  sxtb r6, \word
  asrs \word, \word, #8
  muls r6, r2, r6
  add \sum0, \sum0, r6
  sxtb r6, \word
  asrs \word, \word, #8
  muls r6, r3, r6
  add \sum0, \sum0, r6
  sxtb r6, \word
  asrs \word, \word, #8
  muls r6, r2, r6
  add \sum1, \sum1, r6
  muls \word, r3, \word
  add \sum1, \sum1, \word
.endm

  begin dot_four
  push {r3-r7, lr}
  save_high
  lsls r4, r2, #3
  adds r4, r4, r0
  mov r12, r4
  movs r4, #0
  mov r8, r4
  mov r9, r4
  mov r10, r4
  mov r11, r4
  /* What is no multiple of four pairs enters in the middle. */
  negs r4, r2
  lsls r4, r4, #30
  lsrs r4, r4, #30
  movs r5, #(2f - 1f) / 4
  muls r4, r5, r4
  adr r5, 1f
  adds r4, r4, r5
  mov pc, r4
  .balign 4
1:
  .rept 4
  ldmia r0!, {r2, r3}
  ldmia r1!, {r4, r5}
  two_outputs r4, r8, r9
  two_outputs r5, r10, r11
  .endr
2:
  cmp r0, r12
  bne 1b
  ldr r0, [sp, #16]
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  stmia r0!, {r4-r7}
  restore_high
  pop {r3-r7, pc}
  finish dot_four
