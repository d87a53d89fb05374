/* What a kernel is: a function of its record, the image and the arena. */
#ifndef THUMBNET_KERNEL_H
#define THUMBNET_KERNEL_H

#include <stdint.h>

#include "records.h"

typedef void (*thumbnet_kernel)(const void *record, const uint8_t *image, uint8_t *arena);

/* By opcode; 0 where a kernel is not linked in. `kernels.c` has them all, an exported project only its own. */
extern const thumbnet_kernel thumbnet_kernels[KERNEL_COUNT];

void conv_s8(const void *record, const uint8_t *image, uint8_t *arena);
void pointwise_s8(const void *record, const uint8_t *image, uint8_t *arena);
void depthwise_s8(const void *record, const uint8_t *image, uint8_t *arena);
void fully_connected_s8(const void *record, const uint8_t *image, uint8_t *arena);
void avg_pool_s8(const void *record, const uint8_t *image, uint8_t *arena);
void max_pool_s8(const void *record, const uint8_t *image, uint8_t *arena);
void add_s8(const void *record, const uint8_t *image, uint8_t *arena);
void mul_s8(const void *record, const uint8_t *image, uint8_t *arena);
void lookup_s8(const void *record, const uint8_t *image, uint8_t *arena);
void softmax_s8(const void *record, const uint8_t *image, uint8_t *arena);
void pad_s8(const void *record, const uint8_t *image, uint8_t *arena);
void mean_s8(const void *record, const uint8_t *image, uint8_t *arena);
void copy_s8(const void *record, const uint8_t *image, uint8_t *arena);

#endif
