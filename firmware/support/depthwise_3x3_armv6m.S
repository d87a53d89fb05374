/*
 * depthwise_3x3 of depthwise.h for ARMv6-M: 148 cycles for three outputs: 77 for the products (a load of N words takes 1 + N,
 * all else 1), 11 to take three sums out of their lanes, 39 to scale and clamp them, 21 to store them and to go on. 30 for a
 * row of windows. Time does not depend on the data.
 */
#include "depthwise_armv6m.inc"

/* The frame, r4-r11 and lr: depthwise_pack takes less. */
  .equ STACK_BYTES, 124

/* Loaded in this order by every window. */
  .equ WEIGHTS, 0
  .equ BACK, 36
  .equ FACTORS, 40
  .equ TO_SECOND, 48
  .equ TO_THIRD, 52
  .equ STEP, 56
/* By every row of windows. */
  .equ END, 60
  .equ WINDOW, 64
  .equ TO, 68
  .equ LEFT, 72
  .equ ROW_BYTES, 76
  .equ WINDOW_STEP, 80
  .equ ROW_STEP, 84
  .equ FRAME, 88

.macro tap weight
  ldmia r0!, {r2, r3}
  muls r2, \weight, r2
  muls r3, \weight, r3
.endm

.macro next_tap weight
  tap \weight
  add r8, r8, r2
  adds r4, r4, r3
.endm

.macro scale_sum sum
  scale \sum, r6, r7, #13, r11, #18, r12
.endm

/*
 * r0 window, r1 what is on the stack, r2 and r3 an element, products, r8 and r4 sums, r5-r7 weights, r9 output, r10 from the
 * end of a window's row to the next, r11 offset, r12 the largest result above the least, lr that
 */
  begin depthwise_3x3
  enter FRAME
  str r2, [sp, #TO]
  ldr r2, [r0, #COLUMNS + WEIGHT_STEP]
  ldr r3, [r0, #ROWS + WEIGHT_STEP]
  mov r4, sp
  .rept 3
  movs r5, #0
  .rept 3
  ldrsb r6, [r1, r5]
  stmia r4!, {r6}
  adds r5, r5, r2
  .endr
  adds r1, r1, r3
  .endr
  ldr r1, [r0, #WIDTH]
  ldr r2, [r0, #ROWS + DILATION]
  muls r2, r1, r2
  lsls r2, r2, #3
  subs r2, r2, #24
  mov r10, r2
  ldr r5, [r0, #COLUMNS + STRIDE]
  lsls r5, r5, #3
  subs r5, r5, #72
  lsls r2, r2, #1
  subs r5, r5, r2
  ldr r6, [r0, #FINE]
  ldr r7, [r0, #HIGH]
  stmia r4!, {r5-r7}
  ldr r5, [r0, #COLUMNS + OUTPUT_STEP]
  str r5, [sp, #STEP]
  ldr r2, [r0, #OFFSET]
  mov r11, r2
  ldr r2, [r0, #MOST]
  mov r12, r2
  ldr r2, [r0, #LOW]
  mov lr, r2
  ldr r1, [sp, #TO]
  ldr r4, [r0, #ROWS + OUTPUT_STEP]
  str r4, [sp, #ROW_STEP]
  ldr r2, [r0, #SECOND]
  muls r2, r4, r2
  str r2, [sp, #TO_SECOND]
  ldr r2, [r0, #THIRD]
  muls r2, r4, r2
  str r2, [sp, #TO_THIRD]
  ldr r2, [r0, #COLUMNS + OUTPUT]
  muls r2, r5, r2
  str r2, [sp, #ROW_BYTES]
  ldr r2, [r0, #WIDTH]
  ldr r3, [r0, #ROWS + STRIDE]
  muls r2, r3, r2
  lsls r2, r2, #3
  str r2, [sp, #WINDOW_STEP]
  ldr r3, [r0, #BAND]
  ldr r0, [r0, #PLANE]
3:
  str r3, [sp, #LEFT]
  str r0, [sp, #WINDOW]
  str r1, [sp, #TO]
  mov r9, r1
  ldr r2, [sp, #ROW_BYTES]
  adds r2, r2, r1
  str r2, [sp, #END]
2:
  mov r1, sp
  ldmia r1!, {r5-r7}
  ldmia r0!, {r3, r4}
  muls r3, r5, r3
  muls r4, r5, r4
  mov r8, r3
  next_tap r6
  next_tap r7
  add r0, r0, r10
  ldmia r1!, {r5-r7}
  next_tap r5
  next_tap r6
  next_tap r7
  add r0, r0, r10
  ldmia r1!, {r5-r7}
  next_tap r5
  next_tap r6
  tap r7
  add r2, r2, r8
  adds r3, r3, r4
  ldmia r1!, {r5-r7}
  adds r0, r0, r5
  split_lanes r2, r3, r4, r5
  scale_sum r4
  scale_sum r2
  scale_sum r5
  ldmia r1!, {r3, r6, r7}
  mov r1, r9
  strb r5, [r1, r6]
  strb r2, [r1, r3]
  strb r4, [r1]
  add r9, r9, r7
  ldr r3, [sp, #END]
  cmp r9, r3
  bne 2b
  ldr r0, [sp, #WINDOW]
  ldr r2, [sp, #WINDOW_STEP]
  adds r0, r0, r2
  ldr r1, [sp, #TO]
  ldr r2, [sp, #ROW_STEP]
  adds r1, r1, r2
  ldr r3, [sp, #LEFT]
  subs r3, r3, #1
  beq 1f
  b 3b
1:
  leave FRAME
  finish depthwise_3x3
