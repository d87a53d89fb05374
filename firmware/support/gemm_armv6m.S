/*
 * gemm_pack and gemm_six of gemm.h for ARMv6-M. Time does not depend on the data.
 *
 * Products: 15 cycles for an input of six pixels (a load of N words takes 1 + N, all else in the loop 1), and for each four
 * of them 1 more; 19 for a sparse weight.
 *
 *   r0 packed inputs   r1 weights   r2 four weights   r3 one weight   r4-r7 inputs, products   r8-r11 sums
 *   r12 end of the inputs after which sums are taken out of their lanes; of a row of sparse weights, its end
 *
 * Results: 4 to take a sum out of its lane, 13 to scale it, 4 to store it; 33 for a channel.
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
  .equ STORE_MOST, 72
  .equ STORE_AT, 76
  .equ STORE_END, 80
/* From the first pixel's output to the others'. */
  .equ TO_OTHERS, 84
  .equ INTO, 104
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

/* Four inputs; the labels are where each begins when the weights have been loaded. */
.macro four label
  ldmia r1!, {r2}
\label\()0:
  sxtb r3, r2
  asrs r2, r2, #8
  times_six r3
\label\()1:
  sxtb r3, r2
  asrs r2, r2, #8
  times_six r3
\label\()2:
  sxtb r3, r2
  asrs r2, r2, #8
  times_six r3
\label\()3:
  times_six r2
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

/*
 * The two-part form: r0 low factor, r1 high factor, r8 offset, r7 product shift, r2 output shift, r9 the largest result
 * above the least one, lr that
 */
.macro scale sum
  mov r3, \sum
  muls r3, r0, r3
  asrs r3, r3, r7
  muls \sum, r1, \sum
  adds \sum, \sum, r3
  add \sum, \sum, r8
  asrs \sum, \sum, r2
  asrs r3, \sum, #31
  bics \sum, \sum, r3
  cmp \sum, r9
  bls 1f
  mov \sum, r9
1:
  add \sum, \sum, lr
.endm

  .section .text.gemm_six, "ax", %progbits
  .thumb_func
  .global gemm_six
  .type gemm_six, %function
gemm_six:
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
  adr r5, entries
  ldrb r4, [r5, r4]
  lsls r4, r4, #1
  adr r5, loop
  adds r4, r4, r5
  str r4, [sp, #INTO]
  /* Whole words are loaded there as well: the instruction before. */
  subs r4, r4, #2
  ldr r5, [sp, #SHIFT]
  cmp r5, #0
  beq 1f
  adr r4, sparse_entry
  cmp r5, #SPARSE
  bhs 1f
  adr r4, part_entry
1:
  str r4, [sp, #ENTRY]
  lsls r3, r3, #4
  adds r3, r3, r2
  str r3, [sp, #END]
  ldr r4, [r0, #UNPACK]
  lsls r4, r4, #4
  str r4, [sp, #CHUNK]
1:
  mov r12, r3
  subs r3, r3, r4
  cmp r3, r2
  bhi 1b
  mov r4, r12
  str r4, [sp, #FIRST_END]
  b prepare

channel:
  ldr r1, [sp, #NEXT_WEIGHTS]
first_channel:
  start_lanes
  ldr r0, [sp, #START]
  ldr r7, [sp, #ENTRY]
  mov pc, r7

  .balign 4
sparse_entry:
  b sparse
  .balign 4
part_entry:
  ldr r3, [sp, #SHIFT]
  ldr r7, [sp, #INTO]
  ldmia r1!, {r2}
  asrs r2, r2, r3
  mov pc, r7

  /* Where the lowest four bits of the depth enter. */
  .balign 4
entries:
  .irp label, 00, 123, 122, 121, 120, 83, 82, 81, 80, 43, 42, 41, 40, 03, 02, 01
  .byte (at_\label - loop) / 2
  .endr

  .balign 4
loop:
  four at_0
  four at_4
  four at_8
  four at_12
  cmp r0, r12
  beq sums
  b loop

sums:
  ldr r7, [sp, #NEXT_CONSTANTS]
  cmp r7, #0
  bne 1f
  b add_up
1:
  str r1, [sp, #NEXT_WEIGHTS]
  ldmia r7!, {r0, r2}
  str r7, [sp, #NEXT_CONSTANTS]
  asrs r1, r0, #16
  sxth r0, r0
  unpack r8, r9
  mov r8, r2
  ldr r2, [sp, #STORE_MOST]
  mov r9, r2
  ldr r7, [sp, #SCALE_SHIFT]
  ldr r2, [sp, #STORE_SHIFT]
  scale r4
  scale r5
  scale r6
  ldr r3, [sp, #STORE_AT]
  strb r4, [r3]
  ldr r4, [sp, #TO_OTHERS]
  strb r5, [r3, r4]
  ldr r4, [sp, #TO_OTHERS + 4]
  strb r6, [r3, r4]
  unpack r10, r11
  scale r4
  scale r5
  scale r6
  ldr r3, [sp, #STORE_AT]
  ldr r7, [sp, #TO_OTHERS + 8]
  strb r4, [r3, r7]
  ldr r7, [sp, #TO_OTHERS + 12]
  strb r5, [r3, r7]
  ldr r7, [sp, #TO_OTHERS + 16]
  strb r6, [r3, r7]
  adds r3, r3, #1
  str r3, [sp, #STORE_AT]
  ldr r4, [sp, #STORE_END]
  cmp r3, r4
  beq end
  b channel

end:
  add sp, #FRAME
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}

  /* Into int32, and the rest in C. */
add_up:
  unpack r8, r9
  add_to_sum r4, 0
  add_to_sum r5, 4
  add_to_sum r6, 8
  unpack r10, r11
  add_to_sum r4, 12
  add_to_sum r5, 16
  add_to_sum r6, 20
  ldr r2, [sp, #END]
  cmp r0, r2
  beq 1f
  start_lanes
  ldr r2, [sp, #CHUNK]
  add r12, r12, r2
  b loop
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
  b channel
2:
  b end

sparse:
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
  movs r3, #(sparse_end - sparse_loop) / 16
  muls r2, r3, r2
  adr r3, sparse_loop
  adds r2, r2, r3
  mov pc, r2
  .balign 4
sparse_loop:
  .irp at, 0, 2, 4, 6, 8, 10, 12, 14
  ldrh r2, [r1, #\at]
  sxtb r3, r2
  lsrs r2, r2, #8
  lsls r2, r2, #4
  adds r0, r0, r2
  times_six r3
  .endr
sparse_end:
  adds r1, r1, #16
  cmp r1, r12
  bne sparse_loop
  ldr r0, [sp, #END]
  b sums

prepare:
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
  mov lr, r2
  ldr r2, [r0, #MOST]
  str r2, [sp, #STORE_MOST]
  ldr r2, [r0, #OUTPUT]
  str r2, [sp, #STORE_AT]
  ldr r3, [r0, #CHANNELS]
  adds r2, r2, r3
  str r2, [sp, #STORE_END]
  /* Pixels that are not wanted are the last one again, and stored there. */
  ldr r3, [r0, #STEP]
  ldr r4, [r0, #PIXELS]
  movs r2, #0
  add r5, sp, #TO_OTHERS
  .rept 5
  subs r4, r4, #1
  beq 1f
  adds r2, r2, r3
  b 2f
1:
  movs r4, #1
2:
  stmia r5!, {r2}
  .endr
  b first_channel

  .size gemm_six, . - gemm_six

/*
 * 17 cycles for an input of three pixels, 2 for each four and 13 for a row: r0-r2 where they end, r3 -(inputs left),
 * r7 packed, r8 and r9 what makes x + 128 of x in both words, r10 bytes from row to row, r11 where a row enters, lr
 * where packed ends.
 */
  .section .text.gemm_pack, "ax", %progbits
  .thumb_func
  .global gemm_pack
  .type gemm_pack, %function
gemm_pack:
  push {r1, r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r4-r7}
  movs r7, r2
  muls r3, r1, r3
  lsls r3, r3, #4
  adds r3, r3, r7
  mov lr, r3
  ldr r4, [sp, #40]
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
  adds r7, r7, #8
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
  pop {r1, r4-r7, pc}
  .size gemm_pack, . - gemm_pack

