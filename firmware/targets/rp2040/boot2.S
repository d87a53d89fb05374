/*
 * Second stage of the boot: the bootrom copies the first 256 bytes of the flash to RAM, checks their CRC-32 and
 * runs them. It sets the flash interface (SSI) to plain serial reads, command 03h, which every flash chip knows,
 * and enters the program through its vector table. RP2040 datasheet, 2.8.1 and 4.10.
 */
  .syntax unified
  .cpu cortex-m0plus
  .thumb

  .equ SSI, 0x18000000
  .equ CTRLR0, 0x00
  .equ CTRLR1, 0x04
  .equ SSIENR, 0x08
  .equ BAUDR, 0x14
  .equ SPI_CTRLR0, 0xf4

  .equ FRAME_32_BITS, 31 << 16
  .equ SEND_THEN_READ, 3 << 8
  .equ COMMAND_READ, 0x03 << 24
  .equ COMMAND_8_BITS, 2 << 8
  .equ ADDRESS_24_BITS, 6 << 2

  .equ VTOR, 0xe000ed08
  .equ VECTORS, 0x10000100

  .section .boot2, "ax"
  .global boot2
boot2:
  ldr r0, =SSI
  movs r1, #0
  str r1, [r0, #SSIENR]      /* it can only be changed while it is off */
  str r1, [r0, #CTRLR1]      /* one word a transfer */
  movs r1, #4                /* system clock / 4: 31 MHz from 125 MHz, what 03h allows */
  str r1, [r0, #BAUDR]
  ldr r1, =(FRAME_32_BITS | SEND_THEN_READ)
  str r1, [r0, #CTRLR0]
  ldr r1, =(COMMAND_READ | COMMAND_8_BITS | ADDRESS_24_BITS)
  movs r2, #SPI_CTRLR0
  str r1, [r0, r2]
  movs r1, #1
  str r1, [r0, #SSIENR]

  ldr r0, =VECTORS
  ldr r1, =VTOR
  str r0, [r1]
  ldmia r0!, {r1, r2}
  msr msp, r1
  bx r2

  .pool
  .org 252
  /* CRC-32 of the 252 bytes before: polynomial 0x04c11db7 from 0xffffffff, not reflected. The build checks it. */
  .word 0x5194f5de
