#ifndef THUMBNET_OPERAND_H
#define THUMBNET_OPERAND_H

#include <stdint.h>

/* The bit of an operand that says that it lies in the image. */
#define OPERAND_CONSTANT 0x80000000u

/* The address of an operand to read: in the image if it is constant, else in the arena. */
static inline const int8_t *operand_address(uint32_t operand, const uint8_t *image, const uint8_t *arena) {
  const uint8_t *base = (operand & OPERAND_CONSTANT) != 0 ? image : arena;
  return (const int8_t *)(base + (operand & ~OPERAND_CONSTANT));
}

/* The address of an operand to write: always in the arena. */
static inline int8_t *output_address(uint32_t operand, uint8_t *arena) {
  return (int8_t *)(arena + operand);
}

#endif
