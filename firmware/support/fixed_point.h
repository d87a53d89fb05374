/*
 * exp and 1 / (1 + x) on 32-bit fixed-point numbers, as gemmlowp computes them. Qi.f has i integer bits and f
 * fraction bits. See docs/arithmetic.md.
 */
#ifndef THUMBNET_FIXED_POINT_H
#define THUMBNET_FIXED_POINT_H

#include <stdint.h>

/* exp(a) in Q0.31 for a <= 0 in Q5.26. */
int32_t exp_of_negative(int32_t a);

/* 1 / (1 + a) in Q0.31 for a in [0, 1), Q0.31: three Newton steps from 48/17 - 32/17 x. */
int32_t reciprocal_of_one_plus(int32_t a);

#endif
