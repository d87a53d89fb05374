/*
 * What a kernel is: a function of its record, the image, the arena, and scratch of the size that the image asks for.
 */
#ifndef THUMBNET_KERNEL_H
#define THUMBNET_KERNEL_H

#include <stdint.h>

#include "records.h"

typedef void (*thumbnet_kernel)(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);

/* By opcode; 0 where a kernel is not linked in. `kernels.c` has them all, an exported project only its own. */
extern const thumbnet_kernel thumbnet_kernels[KERNEL_COUNT];

void conv_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void pointwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void depthwise_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void fully_connected_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void avg_pool_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void max_pool_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void add_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void mul_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void lookup_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void softmax_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void pad_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void mean_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);
void copy_s8(const void *record, const uint8_t *image, uint8_t *arena, uint8_t *scratch);

#endif
