/*
 * high_product and requantize of requantize.h for ARMv6-M, which multiplies 32 x 32 to 32 bits only: the 64-bit product is
 * put together from 16-bit halves, a third of what a 64-bit multiplication costs. 36 and 44 cycles.
 */
#include "armv6m.inc"

  .equ STACK_BYTES, 12

/* r0 = floor((r0 * r1 + 2^30) / 2^31); changes r1 and r3-r5 */
.macro multiply
  uxth r3, r0
  asrs r0, r0, #16
  uxth r4, r1
  asrs r1, r1, #16
  movs r5, r3
  muls r5, r4, r5
  lsrs r5, r5, #16
  muls r4, r0, r4
  adds r4, r4, r5
  muls r0, r1, r0
  muls r3, r1, r3
  uxth r5, r4
  adds r3, r3, r5
  asrs r4, r4, #16
  adds r0, r0, r4
  asrs r4, r3, #16
  adds r0, r0, r4
  /* Bits 30 and 31 of the product decide the rounding: they are bits 14 and 15 of r3. */
  lsls r3, r3, #16
  lsrs r3, r3, #30
  adds r3, r3, #1
  lsrs r3, r3, #1
  lsls r0, r0, #1
  adds r0, r0, r3
.endm

  begin high_product
  push {r4, r5, lr}
  multiply
  pop {r4, r5, pc}
  finish high_product

  begin requantize
  push {r4, r5, lr}
  cmp r2, #0
  ble 1f
  lsls r0, r0, r2
  movs r2, #0
1:
  multiply
  negs r2, r2
  beq 2f
  /* Ties away from zero: those of negative numbers are no longer ties. What is shifted out last is the carry. */
  asrs r3, r0, #31
  adds r0, r0, r3
  movs r3, #0
  asrs r0, r0, r2
  adcs r0, r3
2:
  pop {r4, r5, pc}
  finish requantize
