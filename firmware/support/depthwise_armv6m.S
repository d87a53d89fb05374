/*
 * depthwise_pack and depthwise_3x3 of depthwise.h for ARMv6-M. Time does not depend on the data.
 *
 * Packing: 19 cycles for an element, which is three inputs, and 20 for a row of them; 21 and 55 where a lane is in the
 * padding. Windows: 148 cycles for three outputs: 77 for the products (a load of N words takes 1 + N, all else 1), 11 to
 * take three sums out of their lanes, 39 to scale and clamp them, 21 to store them and to go on. 30 for a row of windows.
 */
  .syntax unified
  .cpu cortex-m0plus
  .thumb

/* Fields of depthwise_plane: two axes, and what each has; then the rest. */
  .equ ROWS, 0
  .equ COLUMNS, 36
  .equ INPUT, 0
  .equ OUTPUT, 4
  .equ STRIDE, 12
  .equ DILATION, 16
  .equ PAD, 20
  .equ INPUT_STEP, 24
  .equ OUTPUT_STEP, 28
  .equ WEIGHT_STEP, 32
  .equ PLANE, 72
  .equ HEIGHT, 76
  .equ WIDTH, 80
  .equ BAND, 84
  .equ INSIDE, 88
  .equ BEFORE, 92
  .equ PADDING, 96
  .equ OFFSET, 100
  .equ HIGH, 104
  .equ FINE, 108
  .equ LOW, 112
  .equ MOST, 116
  .equ SECOND, 120
  .equ THIRD, 124

/* The larger frame, r4-r11 and lr. */
  .equ STACK_BYTES, 124

.macro enter frame
  push {r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r4-r7}
  sub sp, #\frame
.endm

.macro leave frame
  add sp, #\frame
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}
.endm

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

.macro pack_element
  ldrsb r4, [r0, r3]
  ldrsb r5, [r1, r3]
  ldrsb r6, [r2, r3]
  lsls r5, r5, #10
  adds r6, r6, r5
  add r6, r6, r9
  lsls r5, r5, #11
  adds r5, r5, r4
  add r5, r5, r8
  stmia r7!, {r5, r6}
.endm

/*
 * r0-r2 inputs, r3 from there, r7 packed, r8 and r9 make x + 128 of x in both words, r10-r12 bytes between inputs, lr end of
 * the row
 */
  .section .text.depthwise_pack, "ax", %progbits
  .thumb_func
  .global depthwise_pack
  .type depthwise_pack, %function
depthwise_pack:
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
  movs r4, #128
  lsls r5, r4, #21
  adds r5, r5, r4
  mov r8, r5
  lsls r5, r4, #10
  adds r5, r5, r4
  mov r9, r5
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
  pack_element
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
  pack_element
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
  .size depthwise_pack, . - depthwise_pack

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

.macro scale sum
  mov r3, \sum
  muls r3, r6, r3
  asrs r3, r3, #13
  muls \sum, r7, \sum
  adds \sum, \sum, r3
  add \sum, \sum, r11
  asrs \sum, \sum, #18
  asrs r3, \sum, #31
  bics \sum, \sum, r3
  cmp \sum, r12
  bls 1f
  mov \sum, r12
1:
  add \sum, \sum, lr
.endm

/*
 * r0 window, r1 what is on the stack, r2 and r3 an element, products, r8 and r4 sums, r5-r7 weights, r9 output, r10 from the
 * end of a window's row to the next, r11 offset, r12 the largest result above the least, lr that
 */
  .section .text.depthwise_3x3, "ax", %progbits
  .thumb_func
  .global depthwise_3x3
  .type depthwise_3x3, %function
depthwise_3x3:
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
  /* The first word has the lower 11 bits of the second lane, the other word all of it. */
  lsls r4, r2, #11
  asrs r4, r4, #11
  subs r2, r2, r4
  lsrs r2, r2, #21
  lsls r5, r2, #10
  subs r3, r3, r5
  lsls r5, r3, #11
  asrs r5, r5, #11
  subs r3, r3, r5
  asrs r3, r3, #10
  adds r2, r2, r3
  scale r4
  scale r2
  scale r5
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
  .size depthwise_3x3, . - depthwise_3x3
