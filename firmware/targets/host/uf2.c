/*
 * Makes a UF2 file, as a Raspberry Pi Pico takes it over USB, of the bytes of its memory:
 *
 *   uf2 BINARY ADDRESS OUTPUT
 *
 * Blocks of 512 bytes, little-endian, each with 256 bytes of content. RP2040 datasheet, 2.8.4.2.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES 512u
#define CONTENT_BYTES 256u
#define CONTENT_OFFSET 32u
#define HAS_FAMILY 0x2000u
#define RP2040_FAMILY 0xe48bff56u

static int fail(const char *what, const char *path) {
  fprintf(stderr, "uf2: %s: %s\n", path, what);
  return 1;
}

static void put_word(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (8 * i));
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s BINARY ADDRESS OUTPUT\n", argv[0]);
    return 2;
  }
  const uint32_t address = (uint32_t)strtoul(argv[2], NULL, 0);
  FILE *in = fopen(argv[1], "rb");
  if (in == NULL || fseek(in, 0, SEEK_END) != 0) return fail("cannot be opened", argv[1]);
  const long size = ftell(in);
  rewind(in);
  FILE *out = fopen(argv[3], "wb");
  if (out == NULL) return fail("cannot be written", argv[3]);

  const uint32_t blocks = ((uint32_t)size + CONTENT_BYTES - 1u) / CONTENT_BYTES;
  for (uint32_t i = 0; i < blocks; i++) {
    uint8_t block[BLOCK_BYTES] = {0};
    const uint32_t head[] = {
        0x0a324655u, 0x9e5d5157u, HAS_FAMILY, address + i * CONTENT_BYTES, CONTENT_BYTES, i, blocks, RP2040_FAMILY,
    };
    for (uint32_t word = 0; word < CONTENT_OFFSET / 4u; word++) put_word(block + 4u * word, head[word]);
    /* The last block ends with zeros. */
    const size_t count = fread(block + CONTENT_OFFSET, 1, CONTENT_BYTES, in);
    if (count != CONTENT_BYTES && i + 1u != blocks) return fail("cannot be read", argv[1]);
    put_word(block + BLOCK_BYTES - 4u, 0x0ab16f30u);
    if (fwrite(block, 1, BLOCK_BYTES, out) != BLOCK_BYTES) return fail("cannot be written", argv[3]);
  }
  fclose(in);
  return fclose(out) == 0 ? 0 : fail("cannot be written", argv[3]);
}
