/*
 * gemm_pack of gemm.h for ARMv6-M: 17 cycles for an input of three pixels, 2 for each four and 13 for a row. Time does not
 * depend on the data.
 *
 *   r0-r2 where inputs end   r3 -(inputs left)   r7 packed   r8, r9 make x + 128 of x in both words
 *   r10 bytes from row to row   r11 where a row enters   lr where packed ends
 */
#include "armv6m.inc"

  begin gemm_pack
  push {r1, r4-r7, lr}
  save_high
  movs r7, r2
  muls r3, r1, r3
  lsls r3, r3, #4
  adds r3, r3, r7
  mov lr, r3
  ldr r4, [sp, #40]
  mov r10, r4
  set_lane_offsets
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
  pack_three
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
  restore_high
  pop {r1, r4-r7, pc}
  finish gemm_pack

