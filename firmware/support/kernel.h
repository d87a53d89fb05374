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

/*
 * Whether an early exit answers: its largest int8 probability + 128, or that less the second largest (`criterion`), has
 * come to the threshold of the class that has it (the first one on a tie). The twin of src/runtime/exits.ts.
 */
typedef uint32_t (*thumbnet_decision)(const int8_t *scores, uint32_t classes, uint32_t criterion,
                                      const uint16_t *thresholds);

/* 0 where it is not linked in, because the model has no exits; stands beside the kernels' table. */
extern const thumbnet_decision thumbnet_exit_decision;

uint32_t exit_answers(const int8_t *scores, uint32_t classes, uint32_t criterion, const uint16_t *thresholds);

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
