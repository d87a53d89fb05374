/*
 * gemm_pack, gemm_three and gemm_six of gemm.h for ARMv6-M. Time does not depend on the data.
 *
 * Products: 15 cycles for an input of six pixels and 9 for three (a load of N words takes 1 + N, all else in the loop
 * 1), and for each four of them 1 more; 19 and 13 for a sparse weight.
 *
 *   r0 packed inputs   r1 weights   r2 four weights   r3 one weight   r4-r7 inputs, products   r8-r11 sums
 *   r12 end of the inputs after which sums are taken out of their lanes; of a row of sparse weights, its end
 *
 * Results: 7 to take a sum out of its lane, 8 to scale it, 8 to store it.
 */
  .syntax unified
  .cpu cortex-m0plus
  .thumb

/* Fields of gemm. */
  .equ PACKED, 0
  .equ WEIGHTS, 4
  .equ DEPTH, 8
  .equ UNPACK, 12
  .equ CHANNELS, 16
  .equ IS_SPARSE, 20
  .equ OUTPUT, 24
  .equ STEP, 28
  .equ PIXELS, 32
  .equ CONSTANTS, 36
  .equ PRODUCT_SHIFT, 40
  .equ OUTPUT_SHIFT, 44
  .equ LOW, 48
  .equ MOST, 52

/* For SHIFT: none that is one. */
  .equ SPARSE, 32

/* On the stack. */
  .equ SUMS, 0
  .equ GEMM, 24
  .equ CHANNEL, 28
  .equ START, 32
  .equ END, 36
  .equ FIRST_END, 40
  .equ SHIFT, 44
  .equ ENTRY, 48
  .equ CHUNK, 52
  .equ NEXT_WEIGHTS, 56
  .equ NEXT_CONSTANTS, 60
  .equ SCALE_SHIFT, 64
  .equ STORE_SHIFT, 68
  .equ STORE_LOW, 72
  .equ STORE_MOST, 76
  .equ STORE_AT, 80
  .equ STORE_END, 84
  .equ TO_SECOND, 88
  .equ TO_THIRD, 92
  .equ BACK, 96
  .equ FULL_STEP, 100
  .equ FRAME, 108
/* The frame, r4-r11 and lr. */
  .equ STACK_BYTES, 144

.macro times_six weight
  ldmia r0!, {r4-r7}
  muls r4, \weight, r4
  muls r5, \weight, r5
  muls r6, \weight, r6
  muls r7, \weight, r7
  add r8, r8, r4
  add r9, r9, r5
  add r10, r10, r6
  add r11, r11, r7
.endm

.macro times_three weight
  ldmia r0!, {r4, r5}
  muls r4, \weight, r4
  muls r5, \weight, r5
  add r8, r8, r4
  add r9, r9, r5
.endm

/* Four inputs; the labels are where each begins when the weights have been loaded. */
.macro four times, label
  ldmia r1!, {r2}
\label\()0:
  sxtb r3, r2
  asrs r2, r2, #8
  \times r3
\label\()1:
  sxtb r3, r2
  asrs r2, r2, #8
  \times r3
\label\()2:
  sxtb r3, r2
  asrs r2, r2, #8
  \times r3
\label\()3:
  \times r2
.endm

.macro start_lanes
  movs r4, #0
  mov r8, r4
  mov r9, r4
  mov r10, r4
  mov r11, r4
.endm

/* Takes three sums out of two words: r4, r5, r6. The first word has the lower 11 bits of r5, the second all of it. */
.macro unpack word0, word1
  mov r5, \word0
  mov r3, \word1
  lsls r4, r5, #11
  asrs r4, r4, #11
  subs r5, r5, r4
  lsrs r5, r5, #21
  lsls r6, r5, #10
  subs r3, r3, r6
  lsls r6, r3, #11
  asrs r6, r6, #11
  subs r3, r3, r6
  asrs r3, r3, #10
  adds r5, r5, r3
.endm

.macro add_to_sum sum, offset
  ldr r3, [sp, #SUMS + \offset]
  adds r3, r3, \sum
  str r3, [sp, #SUMS + \offset]
.endm

/* The two-part form before its output shift, not below 0; r0 low factor, r1 high factor, r2 offset, r7 product shift */
.macro scale sum
  mov r3, \sum
  muls r3, r0, r3
  asrs r3, r3, r7
  muls \sum, r1, \sum
  adds \sum, \sum, r3
  adds \sum, \sum, r2
  asrs r3, \sum, #31
  bics \sum, \sum, r3
.endm

/* r0 where to, r1 and r2 the largest result above the least one and that, r3 bytes to the next, r7 output shift */
.macro store result
  asrs \result, \result, r7
  cmp \result, r1
  bls 1f
  mov \result, r1
1:
  adds \result, \result, r2
  strb \result, [r0]
.endm

/* \log2: of the bytes that an input takes, packed */
.macro gemm name, times, log2
  .section .text.\name, "ax", %progbits
  .thumb_func
  .global \name
  .type \name, %function
\name:
  push {r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r4-r7}
  sub sp, #FRAME
  str r0, [sp, #GEMM]
  ldr r1, [r0, #WEIGHTS]
  ldr r2, [r0, #PACKED]
  str r2, [sp, #START]
  ldr r3, [r0, #DEPTH]
  /* A row's first word has 4 weights, or as many as the depth is past a multiple of 4, in its upper bytes. */
  negs r4, r3
  lsls r4, r4, #30
  lsrs r4, r4, #27
  ldr r5, [r0, #IS_SPARSE]
  lsls r5, r5, #5
  orrs r4, r4, r5
  str r4, [sp, #SHIFT]
  lsls r4, r3, #28
  lsrs r4, r4, #28
  adr r5, \name\()_entries
  ldrb r4, [r5, r4]
  lsls r4, r4, #1
  adr r5, \name\()_loop
  adds r4, r4, r5
  str r4, [sp, #ENTRY]
  lsls r3, r3, #\log2
  adds r3, r3, r2
  str r3, [sp, #END]
  ldr r4, [r0, #UNPACK]
  lsls r4, r4, #\log2
  str r4, [sp, #CHUNK]
1:
  mov r12, r3
  subs r3, r3, r4
  cmp r3, r2
  bhi 1b
  mov r4, r12
  str r4, [sp, #FIRST_END]
  b \name\()_prepare

\name\()_channel:
  ldr r1, [sp, #NEXT_WEIGHTS]
\name\()_first_channel:
  start_lanes
  ldr r0, [sp, #START]
  ldr r3, [sp, #SHIFT]
  cmp r3, #SPARSE
  bhs 1f
  ldr r7, [sp, #ENTRY]
  ldmia r1!, {r2}
  asrs r2, r2, r3
  mov pc, r7
1:
  b \name\()_sparse

  /* Where the lowest four bits of the depth enter. */
  .balign 4
\name\()_entries:
  .irp label, 00, 123, 122, 121, 120, 83, 82, 81, 80, 43, 42, 41, 40, 03, 02, 01
  .byte (\name\()_\label - \name\()_loop) / 2
  .endr

  .balign 4
\name\()_loop:
  four \times, \name\()_0
  four \times, \name\()_4
  four \times, \name\()_8
  four \times, \name\()_12
  cmp r0, r12
  beq \name\()_sums
  b \name\()_loop

\name\()_sums:
  ldr r7, [sp, #NEXT_CONSTANTS]
  cmp r7, #0
  bne 1f
  b \name\()_add_up
1:
  str r1, [sp, #NEXT_WEIGHTS]
  ldmia r7!, {r0, r2}
  str r7, [sp, #NEXT_CONSTANTS]
  asrs r1, r0, #16
  sxth r0, r0
  ldr r7, [sp, #SCALE_SHIFT]
  unpack r8, r9
  scale r4
  scale r5
  scale r6
  .if \log2 == 4
  mov r8, r4
  mov r9, r5
  mov lr, r6
  unpack r10, r11
  scale r4
  scale r5
  scale r6
  .endif
  ldr r0, [sp, #STORE_AT]
  ldr r1, [sp, #STORE_MOST]
  ldr r2, [sp, #STORE_LOW]
  ldr r7, [sp, #STORE_SHIFT]
  ldr r3, [sp, #TO_SECOND]
  store r4
  adds r0, r0, r3
  ldr r3, [sp, #TO_THIRD]
  store r5
  adds r0, r0, r3
  store r6
  .if \log2 == 4
  /* The first three pixels come last: they have always another behind them. */
  ldr r3, [sp, #BACK]
  subs r0, r0, r3
  ldr r3, [sp, #FULL_STEP]
  mov r4, r8
  mov r5, r9
  mov r6, lr
  store r4
  adds r0, r0, r3
  store r5
  adds r0, r0, r3
  store r6
  .endif
  ldr r0, [sp, #STORE_AT]
  adds r0, r0, #1
  str r0, [sp, #STORE_AT]
  ldr r3, [sp, #STORE_END]
  cmp r0, r3
  beq \name\()_end
  b \name\()_channel

\name\()_end:
  add sp, #FRAME
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}

  /* Into int32, and the rest in C. */
\name\()_add_up:
  unpack r8, r9
  add_to_sum r4, 0
  add_to_sum r5, 4
  add_to_sum r6, 8
  .if \log2 == 4
  unpack r10, r11
  add_to_sum r4, 12
  add_to_sum r5, 16
  add_to_sum r6, 20
  .endif
  ldr r2, [sp, #END]
  cmp r0, r2
  beq 1f
  start_lanes
  ldr r2, [sp, #CHUNK]
  add r12, r12, r2
  b \name\()_loop
1:
  str r1, [sp, #NEXT_WEIGHTS]
  ldr r0, [sp, #GEMM]
  ldr r1, [sp, #CHANNEL]
  add r2, sp, #SUMS
  bl gemm_store
  ldr r0, [sp, #FIRST_END]
  mov r12, r0
  ldr r0, [sp, #GEMM]
  ldr r2, [r0, #CHANNELS]
  ldr r3, [sp, #CHANNEL]
  adds r3, r3, #1
  str r3, [sp, #CHANNEL]
  cmp r3, r2
  beq 2f
  b \name\()_channel
2:
  b \name\()_end

\name\()_sparse:
  ldrh r2, [r1]
  adds r1, r1, #2
  lsls r3, r2, #1
  adds r3, r3, r1
  mov r12, r3
  /* What is no multiple of eight pairs enters in the middle. */
  negs r2, r2
  lsls r2, r2, #29
  lsrs r2, r2, #28
  subs r1, r1, r2
  movs r3, #(\name\()_sparse_end - \name\()_sparse_loop) / 16
  muls r2, r3, r2
  adr r3, \name\()_sparse_loop
  adds r2, r2, r3
  mov pc, r2
  .balign 4
\name\()_sparse_loop:
  .irp at, 0, 2, 4, 6, 8, 10, 12, 14
  ldrh r2, [r1, #\at]
  sxtb r3, r2
  lsrs r2, r2, #8
  lsls r2, r2, #\log2
  adds r0, r0, r2
  \times r3
  .endr
\name\()_sparse_end:
  adds r1, r1, #16
  cmp r1, r12
  bne \name\()_sparse_loop
  ldr r0, [sp, #END]
  b \name\()_sums

\name\()_prepare:
  movs r2, #0
  movs r3, #0
  movs r4, #0
  add r5, sp, #SUMS
  stmia r5!, {r2-r4}
  stmia r5!, {r2-r4}
  str r2, [sp, #CHANNEL]
  ldr r2, [r0, #CONSTANTS]
  str r2, [sp, #NEXT_CONSTANTS]
  ldr r2, [r0, #PRODUCT_SHIFT]
  str r2, [sp, #SCALE_SHIFT]
  ldr r2, [r0, #OUTPUT_SHIFT]
  str r2, [sp, #STORE_SHIFT]
  ldr r2, [r0, #LOW]
  str r2, [sp, #STORE_LOW]
  ldr r2, [r0, #MOST]
  str r2, [sp, #STORE_MOST]
  ldr r2, [r0, #OUTPUT]
  ldr r3, [r0, #STEP]
  ldr r4, [r0, #PIXELS]
  .if \log2 == 4
  str r3, [sp, #FULL_STEP]
  lsls r5, r3, #1
  adds r5, r5, r3
  adds r2, r2, r5
  subs r4, r4, #3
  .endif
  /* Pixels that are not wanted are stored where the last one is, before it or as the same. */
  movs r6, #0
  movs r7, #0
  cmp r4, #2
  blo 1f
  mov r6, r3
  beq 1f
  mov r7, r3
1:
  str r6, [sp, #TO_SECOND]
  str r7, [sp, #TO_THIRD]
  .if \log2 == 4
  adds r5, r5, r6
  adds r5, r5, r7
  str r5, [sp, #BACK]
  .endif
  str r2, [sp, #STORE_AT]
  ldr r3, [r0, #CHANNELS]
  adds r2, r2, r3
  str r2, [sp, #STORE_END]
  b \name\()_first_channel

  .size \name, . - \name
.endm

/*
 * 17 cycles for an input of three pixels, 2 for each four and 13 for a row: r0-r2 where they end, r3 -(inputs left),
 * r7 packed, r8 and r9 what makes x + 128 of x in both words, r10 bytes from row to row, r11 where a row enters, r12
 * bytes that are left out, lr end of packed.
 */
  .section .text.gemm_pack, "ax", %progbits
  .thumb_func
  .global gemm_pack
  .type gemm_pack, %function
gemm_pack:
  push {r3-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r4-r7}
  movs r7, r2
  lsls r3, r3, #2
  ldr r4, [sp, #40]
  muls r4, r1, r4
  muls r4, r3, r4
  adds r4, r4, r7
  mov lr, r4
  subs r3, r3, #8
  mov r12, r3
  ldr r4, [sp, #44]
  mov r10, r4
  movs r4, #128
  lsls r5, r4, #21
  adds r5, r5, r4
  mov r8, r5
  lsls r5, r4, #10
  adds r5, r5, r4
  mov r9, r5
  negs r3, r1
  str r3, [sp, #16]
  /* What is no multiple of four enters in the middle. */
  lsls r4, r3, #30
  lsrs r4, r4, #30
  movs r5, #(2f - 1f) / 4
  muls r4, r5, r4
  adr r5, 1f
  adds r4, r4, r5
  mov r11, r4
  movs r5, r1
  ldmia r0, {r0-r2}
  adds r0, r0, r5
  adds r1, r1, r5
  adds r2, r2, r5
  mov pc, r11
  .balign 4
1:
  .rept 4
  ldrsb r4, [r1, r3]
  ldrsb r5, [r0, r3]
  ldrsb r6, [r2, r3]
  lsls r4, r4, #10
  adds r6, r6, r4
  add r6, r6, r9
  lsls r4, r4, #11
  adds r5, r5, r4
  add r5, r5, r8
  stmia r7!, {r5, r6}
  add r7, r7, r12
  adds r3, r3, #1
  .endr
2:
  bne 1b
  add r0, r0, r10
  add r1, r1, r10
  add r2, r2, r10
  ldr r3, [sp, #16]
  cmp r7, lr
  beq 3f
  mov pc, r11
3:
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r3-r7, pc}
  .size gemm_pack, . - gemm_pack

  gemm gemm_three, times_three, 3
  gemm gemm_six, times_six, 4
