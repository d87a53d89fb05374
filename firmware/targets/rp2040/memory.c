/* The two functions of the C library that a compiler may call: small, and by words where both sides allow it. */
#include <stddef.h>
#include <stdint.h>

/* Compiled for speed: its loops are worth more than their bytes. */

#if defined(__GNUC__) && !defined(__clang__)
/* Else the loops below would be turned into calls of the functions that they are in. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *restrict destination, const void *restrict source, size_t count);
void *memset(void *destination, int value, size_t count);

void *memcpy(void *restrict destination, const void *restrict source, size_t count) {
  uint8_t *to = (uint8_t *)destination;
  const uint8_t *from = (const uint8_t *)source;
  if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) {
    uint32_t *to_words = (uint32_t *)(void *)to;
    const uint32_t *from_words = (const uint32_t *)(const void *)from;
    for (; count >= 16; count -= 16) {
      const uint32_t a = from_words[0], b = from_words[1], c = from_words[2], d = from_words[3];
      from_words += 4;
      to_words[0] = a;
      to_words[1] = b;
      to_words[2] = c;
      to_words[3] = d;
      to_words += 4;
    }
    for (; count >= 4; count -= 4) *to_words++ = *from_words++;
    to = (uint8_t *)to_words;
    from = (const uint8_t *)from_words;
  }
  while (count-- != 0) *to++ = *from++;
  return destination;
}

void *memset(void *destination, int value, size_t count) {
  uint8_t *to = (uint8_t *)destination;
  const uint8_t byte = (uint8_t)value;
  for (; count != 0 && ((uintptr_t)to & 3u) != 0; count--) *to++ = byte;
  const uint32_t word = byte * 0x01010101u;
  uint32_t *words = (uint32_t *)(void *)to;
  for (; count >= 4; count -= 4) *words++ = word;
  to = (uint8_t *)words;
  while (count-- != 0) *to++ = byte;
  return destination;
}
