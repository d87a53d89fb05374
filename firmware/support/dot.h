/*
 * One input times the weights of four outputs: what a fully connected operator is made of. Weights lie in pairs of
 * inputs, [inputs / 2, 4 outputs, 2]; dot.c and dot_armv6m.S do the same, the second for the chip.
 */
#ifndef THUMBNET_DOT_H
#define THUMBNET_DOT_H

#include <stdint.h>

/* sums[o] = sum over k of x[k] * w[o][k], of `pairs` times two inputs. x and weights are aligned to words. */
void dot_four(const int32_t *x, const int8_t *weights, int32_t pairs, int32_t sums[4]);

#endif
