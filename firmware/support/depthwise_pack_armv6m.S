/*
 * depthwise_pack of depthwise.h for ARMv6-M: 19 cycles for an element, which is three inputs, and 20 for a row of them; 21
 * and 55 where a lane is in the padding. Time does not depend on the data.
 */
#include "depthwise_armv6m.inc"

  .equ PACK_ROW_STEP, 0
  .equ PACK_ROW, 4
  .equ PACK_ROWS, 8
  .equ PACK_STEP, 12
  .equ PACK_SECOND, 16
  .equ PACK_INPUT, 20
  .equ PACK_THIRD, 24
  .equ PACK_PADDING, 28
  .equ PACK_SKIP, 32
  .equ PACK_BYTES, 36
  .equ PACK_LAST, 40
  .equ PACK_INSIDE, 44
  .equ PACK_COMMON, 48
  .equ PACK_FRAME, 52

/* Where a lane's row begins: r2 bytes between rows, r3 row, r4 rows, r5 bytes between columns, r7 input. Or the padding. */
.macro lane pointer, step
  cmp r3, r4
  bhs 1f
  .ifnc \pointer, r2
  movs \pointer, r2
  .endif
  muls \pointer, r3, \pointer
  adds \pointer, \pointer, r7
  mov \step, r5
2:
  .subsection 1
1:
  movs \pointer, #0
  mov \step, \pointer
  add \pointer, sp, #PACK_PADDING
  b 2b
  .previous
.endm

/*
 * r0-r2 inputs, r3 from there, r7 packed, r8 and r9 make x + 128 of x in both words, r10-r12 bytes between inputs, lr end of
 * the row
 */
  begin depthwise_pack
  enter PACK_FRAME
  str r1, [sp, #PACK_INPUT]
  ldr r1, [r0, #PADDING]
  subs r1, r1, #128
  str r1, [sp, #PACK_PADDING]
  ldr r2, [r0, #ROWS + INPUT_STEP]
  ldr r3, [r0, #ROWS + PAD]
  negs r3, r3
  ldr r4, [r0, #ROWS + INPUT]
  ldr r5, [r0, #COLUMNS + INPUT_STEP]
  ldr r1, [r0, #ROWS + STRIDE]
  ldr r6, [r0, #SECOND]
  muls r6, r1, r6
  ldr r7, [r0, #THIRD]
  muls r7, r1, r7
  subs r7, r7, r6
  str r7, [sp, #PACK_THIRD]
  mov r1, sp
  stmia r1!, {r2-r6}
  ldr r1, [r0, #HEIGHT]
  adds r3, r3, r1
  str r3, [sp, #PACK_LAST]
  adds r6, r6, r7
  subs r4, r4, r6
  cmp r4, r3
  ble 1f
  movs r4, r3
1:
  str r4, [sp, #PACK_COMMON]
  ldr r2, [r0, #INSIDE]
  movs r4, r2
  muls r4, r5, r4
  str r4, [sp, #PACK_INSIDE]
  lsls r2, r2, #3
  str r2, [sp, #PACK_BYTES]
  ldr r3, [r0, #WIDTH]
  lsls r3, r3, #3
  subs r3, r3, r2
  str r3, [sp, #PACK_SKIP]
  ldr r4, [r0, #BEFORE]
  lsls r4, r4, #3
  subs r4, r4, r3
  ldr r5, [r0, #PLANE]
  adds r4, r4, r5
  mov lr, r4
  set_lane_offsets
3:
  mov r0, sp
  ldmia r0!, {r2-r7}
  lane r0, r10
  adds r3, r3, r6
  lane r1, r11
  ldr r6, [sp, #PACK_THIRD]
  adds r3, r3, r6
  lane r2, r12
  ldr r4, [sp, #PACK_SKIP]
  mov r7, lr
  adds r7, r7, r4
  ldr r4, [sp, #PACK_BYTES]
  adds r4, r4, r7
  mov lr, r4
  movs r3, #0
4:
  pack_three
  add r0, r0, r10
  add r1, r1, r11
  add r2, r2, r12
  cmp r7, lr
  bne 4b
  ldr r4, [sp, #PACK_ROW]
  adds r4, r4, #1
  str r4, [sp, #PACK_ROW]
  ldr r5, [sp, #PACK_LAST]
  cmp r4, r5
  beq 5f
  /* All lanes are in the input from row 0 to the one where the last lane leaves it: no need to look there. */
  ldr r6, [sp, #PACK_COMMON]
  cmp r4, #0
  ble 3b
  subs r3, r6, r4
  ble 3b
  str r6, [sp, #PACK_ROW]
  mov r12, r3
  ldr r4, [sp, #PACK_INSIDE]
  subs r0, r0, r4
  subs r1, r1, r4
  subs r2, r2, r4
  ldr r4, [sp, #PACK_ROW_STEP]
  mov r11, r4
6:
  ldr r4, [sp, #PACK_SKIP]
  adds r7, r7, r4
  ldr r4, [sp, #PACK_BYTES]
  adds r4, r4, r7
  mov lr, r4
  add r0, r0, r11
  add r1, r1, r11
  add r2, r2, r11
  movs r3, #0
7:
  pack_three
  add r3, r3, r10
  cmp r7, lr
  bne 7b
  mov r4, r12
  subs r4, r4, #1
  mov r12, r4
  bne 6b
  ldr r4, [sp, #PACK_ROW]
  ldr r5, [sp, #PACK_LAST]
  cmp r4, r5
  bne 3b
5:
  leave PACK_FRAME
  finish depthwise_pack
