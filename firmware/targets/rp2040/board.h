/* The little that an example needs of a Raspberry Pi Pico: clock, serial port, cycle counter. */
#ifndef THUMBNET_BOARD_H
#define THUMBNET_BOARD_H

#include <stdint.h>

#define BOARD_HZ 125000000u

/* Clocks the chip with 125 MHz from the 12 MHz crystal; UART0 on GP0 (TX) and GP1 (RX), 115200 baud, 8N1. */
void board_init(void);

/* Sends one character; waits while the transmitter is full. */
void board_putc(char character);

/* Cycles since board_init, modulo 2^32 (34 s). */
uint32_t board_cycles(void);

#endif
