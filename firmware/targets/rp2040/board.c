/* Registers and bits: RP2040 datasheet, 2.14 (resets), 2.15-2.18 (clocks), 2.19 (pins), 4.2 (UART), 2.4.8 (SysTick). */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
/* Writing to these aliases of a peripheral's register sets or clears bits. */
#define SET(address) REGISTER((address) + 0x2000u)
#define CLEAR(address) REGISTER((address) + 0x3000u)

#define CLOCKS 0x40008000u
#define CLK_REF_CTRL (CLOCKS + 0x30u)
#define CLK_REF_DIV (CLOCKS + 0x34u)
#define CLK_REF_SELECTED (CLOCKS + 0x38u)
#define CLK_SYS_CTRL (CLOCKS + 0x3cu)
#define CLK_SYS_DIV (CLOCKS + 0x40u)
#define CLK_SYS_SELECTED (CLOCKS + 0x44u)
#define CLK_PERI_CTRL (CLOCKS + 0x48u)
#define CLK_SYS_RESUS_CTRL (CLOCKS + 0x78u)
#define REF_FROM_XOSC 2u
#define SYS_FROM_REF 0u
#define SYS_FROM_PLL 1u
#define PERI_FROM_SYS_ENABLED (1u << 11)
#define DIVIDE_BY_1 (1u << 8)

#define RESETS 0x4000c000u
#define RESET (RESETS + 0x0u)
#define RESET_DONE (RESETS + 0x8u)
#define RESET_IO_BANK0 (1u << 5)
#define RESET_PADS_BANK0 (1u << 8)
#define RESET_PLL_SYS (1u << 12)
#define RESET_UART0 (1u << 22)

#define GPIO0_CTRL 0x40014004u
#define GPIO1_CTRL 0x4001400cu
#define FUNCTION_UART 2u

#define XOSC_CTRL 0x40024000u
#define XOSC_STATUS 0x40024004u
#define XOSC_STARTUP 0x4002400cu
#define XOSC_1_TO_15_MHZ 0xaa0u
#define XOSC_ENABLE (0xfabu << 12)
#define XOSC_STABLE (1u << 31)

#define PLL_SYS 0x40028000u
#define PLL_CS (PLL_SYS + 0x0u)
#define PLL_PWR (PLL_SYS + 0x4u)
#define PLL_FBDIV_INT (PLL_SYS + 0x8u)
#define PLL_PRIM (PLL_SYS + 0xcu)
#define PLL_LOCK (1u << 31)
#define PLL_POWER_DOWN (1u << 0)
#define PLL_POST_DIVIDER_DOWN (1u << 3)
#define PLL_VCO_DOWN (1u << 5)

#define UART0 0x40034000u
#define UART_DR (UART0 + 0x00u)
#define UART_FR (UART0 + 0x18u)
#define UART_IBRD (UART0 + 0x24u)
#define UART_FBRD (UART0 + 0x28u)
#define UART_LCR_H (UART0 + 0x2cu)
#define UART_CR (UART0 + 0x30u)
#define UART_TRANSMITTER_FULL (1u << 5)
#define UART_8_BITS_WITH_FIFO ((3u << 5) | (1u << 4))
#define UART_ENABLE_BOTH_WAYS ((1u << 0) | (1u << 8) | (1u << 9))
#define BAUD 115200u

#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define SYSTICK_ON_CPU_CLOCK_WITH_INTERRUPT 7u
#define SYSTICK_BITS 24u
#define SYSTICK_TOP 0xffffffu

static void wait_for(uint32_t address, uint32_t bits) {
  while ((REGISTER(address) & bits) != bits) continue;
}

static void leave_reset(uint32_t bits) {
  CLEAR(RESET) = bits;
  wait_for(RESET_DONE, bits);
}

/* 12 MHz * 125 / 6 / 2 = 125 MHz. */
static void start_clocks(void) {
  REGISTER(CLK_SYS_RESUS_CTRL) = 0;
  REGISTER(XOSC_STARTUP) = 47; /* 1 ms, counted in 256 cycles of 12 MHz */
  REGISTER(XOSC_CTRL) = XOSC_ENABLE | XOSC_1_TO_15_MHZ;
  wait_for(XOSC_STATUS, XOSC_STABLE);

  /* Off the PLL while it changes: a debugger may have stopped a program that ran on it. */
  CLEAR(CLK_SYS_CTRL) = SYS_FROM_PLL;
  wait_for(CLK_SYS_SELECTED, 1u << SYS_FROM_REF);
  REGISTER(CLK_REF_CTRL) = REF_FROM_XOSC;
  wait_for(CLK_REF_SELECTED, 1u << REF_FROM_XOSC);
  REGISTER(CLK_REF_DIV) = DIVIDE_BY_1;

  SET(RESET) = RESET_PLL_SYS;
  leave_reset(RESET_PLL_SYS);
  REGISTER(PLL_CS) = 1;
  REGISTER(PLL_FBDIV_INT) = 125;
  CLEAR(PLL_PWR) = PLL_POWER_DOWN | PLL_VCO_DOWN;
  wait_for(PLL_CS, PLL_LOCK);
  REGISTER(PLL_PRIM) = (6u << 16) | (2u << 12);
  CLEAR(PLL_PWR) = PLL_POST_DIVIDER_DOWN;

  REGISTER(CLK_SYS_DIV) = DIVIDE_BY_1;
  /* The PLL is source 0 of the auxiliary multiplexer; the glitchless one is switched after it. */
  REGISTER(CLK_SYS_CTRL) = 0;
  SET(CLK_SYS_CTRL) = SYS_FROM_PLL;
  wait_for(CLK_SYS_SELECTED, 1u << SYS_FROM_PLL);
  REGISTER(CLK_PERI_CTRL) = PERI_FROM_SYS_ENABLED;
}

static void start_uart(void) {
  leave_reset(RESET_IO_BANK0 | RESET_PADS_BANK0 | RESET_UART0);
  /* The divider in 64ths, rounded: 125 MHz / (16 * baud). */
  const uint32_t divider = (BOARD_HZ * 4u + BAUD / 2u) / BAUD;
  REGISTER(UART_IBRD) = divider >> 6;
  REGISTER(UART_FBRD) = divider & 63u;
  REGISTER(UART_LCR_H) = UART_8_BITS_WITH_FIFO;
  REGISTER(UART_CR) = UART_ENABLE_BOTH_WAYS;
  REGISTER(GPIO0_CTRL) = FUNCTION_UART;
  REGISTER(GPIO1_CTRL) = FUNCTION_UART;
}

static volatile uint32_t wraps;

/* The exception: SysTick has counted down 2^24 cycles. */
void systick(void);
void systick(void) {
  wraps++;
}

static void start_cycle_counter(void) {
  wraps = 0;
  REGISTER(SYST_RVR) = SYSTICK_TOP;
  REGISTER(SYST_CVR) = 0;
  REGISTER(SYST_CSR) = SYSTICK_ON_CPU_CLOCK_WITH_INTERRUPT;
  __asm__ volatile("cpsie i");
}

void board_init(void) {
  start_clocks();
  start_uart();
  start_cycle_counter();
}

void board_putc(char character) {
  while ((REGISTER(UART_FR) & UART_TRANSMITTER_FULL) != 0) continue;
  REGISTER(UART_DR) = (uint8_t)character;
}

uint32_t board_cycles(void) {
  uint32_t before;
  uint32_t count;
  do {
    before = wraps;
    count = REGISTER(SYST_CVR);
  } while (before != wraps);
  return (before << SYSTICK_BITS) + ((0u - count) & SYSTICK_TOP);
}
