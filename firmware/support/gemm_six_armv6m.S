/*
 * gemm_six of gemm.h for ARMv6-M. Time does not depend on the data.
 *
 * Products: 15 cycles for an input of six pixels (a load of N words takes 1 + N, all else in the loop 1), and for each four
 * of them 1 more; 19 for a sparse weight.
 *
 *   r0 packed inputs   r1 weights   r2 four weights   r3 one weight   r4-r7 inputs, products   r8-r11 sums
 *   r12 end of the inputs after which sums are taken out of their lanes; of a row of sparse weights, its end
 *
 * Results: 4 to take a sum out of its lane, 13 to scale it, 4 to store it; 33 for a channel.
 */
#include "gemm_six_armv6m.inc"

/* The frame, r4-r11 and lr: gemm_pack takes less. */
  .equ STACK_BYTES, 144

  begin gemm_six
  enter FRAME
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
  scale_three
  ldr r3, [sp, #STORE_AT]
  strb r4, [r3]
  ldr r4, [sp, #TO_OTHERS]
  strb r5, [r3, r4]
  ldr r4, [sp, #TO_OTHERS + 4]
  strb r6, [r3, r4]
  unpack r10, r11
  scale_three
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
  leave FRAME

  /* Into int32, and the rest in C. */
add_up:
  unpack r8, r9
  add_three 0
  unpack r10, r11
  add_three 12
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
  clear_sums
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
  times_sparse_row
  ldr r0, [sp, #END]
  b sums

prepare:
  prepare_results
  b first_channel
  finish gemm_six
