/*
 * Every entry of the assembly for ARMv6-M beside the C that does the same (its names begin with c_), on the same
 * random inputs. assembly.test.ts builds and runs it on the emulated chip and reads `report`.
 */
#include "support/depthwise.h"
#include "support/dot.h"
#include "support/gemm.h"
#include "support/requantize.h"

int32_t c_high_product(int32_t a, int32_t b);
int32_t c_requantize(int32_t x, int32_t multiplier, int32_t shift);
void c_dot_four(const int32_t *x, const int8_t *weights, int32_t pairs, int32_t sums[4]);
void c_gemm_pack(const int8_t *const *pixels, int32_t count, uint32_t *packed, int32_t rows, int32_t step);
void c_gemm_six(const gemm *g);
void c_depthwise_begin(depthwise_plane *p);
void c_depthwise_pack(const depthwise_plane *p, const int8_t *input);
void c_depthwise_3x3(const depthwise_plane *p, const int8_t *weights, int8_t *output);

/* SKIPPED: the inputs are none for the entry. */
enum { CASES = 400, BUFFER = 8192, SKIPPED = 2 };

/* For each entry: how often it was run, and one more than the first seed for which it differs. */
struct {
  uint32_t done;
  struct {
    uint32_t cases;
    uint32_t wrong;
  } entries[6];
} report;

static uint32_t words[4][BUFFER / 4];
static int8_t weights[BUFFER];
static int8_t input[BUFFER];
static uint32_t table[2 + 3 * 16];
static uint32_t state;

static uint32_t next(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/* In [low, high]. */
static int32_t between(int32_t low, int32_t high) {
  return low + (int32_t)(next() % (uint32_t)(high - low + 1));
}

static int32_t edge(void) {
  static const int32_t edges[6] = {0, 1, -1, INT32_MAX, INT32_MIN + 1, 1 << 30};
  return between(0, 3) == 0 ? edges[between(0, 5)] : (int32_t)next() >> between(0, 31);
}

static void fill(int8_t *bytes, int32_t count, int32_t low, int32_t high) {
  for (int32_t i = 0; i < count; i++) bytes[i] = (int8_t)between(low, high);
}

static void clear(void) {
  for (int32_t b = 0; b < 4; b++) {
    for (int32_t i = 0; i < BUFFER / 4; i++) words[b][i] = 0xa5a5a5a5u;
  }
}

static int differ(const uint32_t *a, const uint32_t *b) {
  for (int32_t i = 0; i < BUFFER / 4; i++) {
    if (a[i] != b[i]) return 1;
  }
  return 0;
}

static int products(void) {
  const int32_t a = edge(), b = edge(), multiplier = between(1 << 30, INT32_MAX), shift = between(-31, 8);
  const int32_t x = edge() >> (shift > 0 ? shift : 0);
  if (high_product(a, b) != c_high_product(a, b)) return 1;
  const int32_t wanted = c_requantize(x, multiplier, shift);
  if (requantize(x, multiplier, shift) != wanted) return 1;
  return shift < 0 && requantize_right(x, multiplier >> 16, (uint32_t)multiplier & 0xffffu, -shift) != wanted;
}

static int dot(void) {
  const int32_t pairs = between(1, 40);
  const int32_t least = between(0, 2) == 0 ? 255 : 0;
  for (int32_t i = 0; i < 2 * pairs; i++) words[0][i] = (uint32_t)between(least, 255);
  fill(weights, 8 * pairs, -128, between(0, 2) == 0 ? -128 : 127);
  int32_t a[4], b[4];
  dot_four((const int32_t *)words[0], weights, pairs, a);
  c_dot_four((const int32_t *)words[0], weights, pairs, b);
  return a[0] != b[0] || a[1] != b[1] || a[2] != b[2] || a[3] != b[3];
}

static int pack(void) {
  const int32_t count = between(1, 40), rows = between(1, 4), step = count + between(0, 5);
  const int8_t *pixels[3];
  fill(input, BUFFER, -128, 127);
  for (int32_t p = 0; p < 3; p++) pixels[p] = input + between(0, 500);
  clear();
  gemm_pack(pixels, count, words[0], rows, step);
  c_gemm_pack(pixels, count, words[1], rows, step);
  return differ(words[0], words[1]);
}

/* Two words for each channel in the two-part form, else bias, multiplier and shift. */
static void fill_table(image_requantization *t, int32_t channels, int32_t product_shift, int32_t output_shift) {
  int32_t *at = (int32_t *)(void *)(t + 1);
  t->form = product_shift > 0 ? REQUANTIZE_TWO_PART : REQUANTIZE_EXACT;
  t->product_shift = (uint8_t)product_shift;
  t->output_shift = (uint8_t)output_shift;
  t->per_channel = 1;
  t->channels = (uint32_t)channels;
  for (int32_t c = 0; c < channels; c++) {
    if (product_shift > 0) {
      at[2 * c] = between(0, 800) * 65536 + between(-2000, 2000);
      at[2 * c + 1] = (int32_t)next() >> between(4, 12);
    } else {
      at[c] = (int32_t)next() >> 12;
      at[channels + c] = between(1 << 30, INT32_MAX);
      ((int8_t *)(at + 2 * channels))[c] = (int8_t)between(-16, -6);
    }
  }
}

static output_form random_form(int32_t channels, int32_t product_shift, int32_t output_shift) {
  output_form form = {(const image_requantization *)(const void *)table, between(-128, 127), between(-128, 0), between(1, 127)};
  fill_table((image_requantization *)(void *)table, channels, product_shift, output_shift);
  return form;
}

/* A row of weights: sparse, or dense and up to what lanes hold. Returns its bytes. */
static int32_t fill_row(int8_t *row, const gemm *g) {
  if (g->is_sparse) {
    int32_t count = 0;
    int32_t gap = between(0, 9);
    for (int32_t k = gap; k < g->depth && count < 32; k += 1 + gap) {
      row[2 + 2 * count] = (int8_t)between(-128, 127);
      row[3 + 2 * count] = (int8_t)gap;
      count++;
      gap = between(0, 5);
    }
    if (count == 0) {
      row[2] = row[3] = 0;
      count = 1;
    }
    row[0] = (int8_t)count;
    row[1] = 0;
    return 2 + 2 * count;
  }
  const int32_t bytes = gemm_row_bytes(g->depth);
  const int32_t inputs = g->unpack < g->depth ? g->unpack : g->depth;
  const int32_t limit = inputs <= 32 ? 128 : 4112 / inputs;
  const int32_t kind = between(0, 3);
  fill(row, bytes, kind == 1 ? limit - 1 : -limit, kind == 2 ? -limit : limit - 1);
  for (int32_t i = 0; i < bytes - g->depth; i++) row[i] = (int8_t)next();
  return bytes;
}

static int multiply(void) {
  const int32_t is_sparse = between(0, 3) == 0;
  const int32_t depth = between(1, 100);
  const int32_t in_parts = !is_sparse && depth > 16 && between(0, 2) == 0;
  const int32_t is_exact = between(0, 2) == 0;
  gemm g = {
      .packed = words[2],
      .weights = weights,
      .depth = depth,
      .unpack = in_parts ? 16 * between(1, (depth - 1) / 16) : depth,
      .channels = between(1, 9),
      .is_sparse = is_sparse,
      .pixels = between(1, 6),
  };
  g.step = g.channels + between(0, 3);
  const int8_t *pixels[GEMM_PIXELS];
  fill(input, GEMM_PIXELS * depth, between(0, 1) == 0 ? 127 : -128, 127);
  for (int32_t p = 0; p < GEMM_PIXELS; p++) pixels[p] = input + (p < g.pixels ? p : g.pixels - 1) * depth;
  clear();
  c_gemm_pack(pixels, depth, g.packed, 1, 0);
  c_gemm_pack(pixels + 3, depth, g.packed + 2, 1, 0);
  int8_t *row = weights;
  for (int32_t c = 0; c < g.channels; c++) row += fill_row(row, &g);
  const output_form form = random_form(g.channels, is_exact ? 0 : between(8, 14), between(12, 20));
  gemm_set_form(&g, &form, 0);
  g.output = (int8_t *)words[0] + 4;
  gemm_six(&g);
  g.output = (int8_t *)words[1] + 4;
  c_gemm_six(&g);
  return differ(words[0], words[1]);
}

static depthwise_axis random_axis(int32_t taps, int32_t input_step, int32_t output_step, int32_t weight_step, int32_t may_dilate) {
  depthwise_axis axis;
  axis.taps = taps;
  axis.dilation = may_dilate ? between(1, 2) : 1;
  axis.stride = between(1, 3);
  const int32_t reach = (taps - 1) * axis.dilation;
  axis.padding = between(0, reach < 2 ? reach : 2);
  axis.input = between(reach + 1 - axis.padding > 1 ? reach + 1 - axis.padding : 1, 13);
  const int32_t most = (axis.input + 2 * axis.padding - reach - 1) / axis.stride + 1;
  axis.output = most < 1 ? 1 : most;
  axis.input_step = input_step;
  axis.output_step = output_step;
  axis.weight_step = weight_step;
  return axis;
}

static int depthwise(int is_packing) {
  const int32_t channels = between(1, 3);
  depthwise_plane p = {.plane = words[2], .padding = (uint32_t)between(0, 255), .low = between(-128, 0), .most = between(1, 255)};
  p.columns = random_axis(3, channels, channels, 1, is_packing);
  p.rows = random_axis(is_packing ? between(1, 4) : 3, channels * p.columns.input, channels * p.columns.output, 3, 1);
  output_form form = random_form(1, 13, 18);
  form.low = p.low;
  form.high = p.low + p.most < 127 ? p.low + p.most : 127;
  p.most = form.high - form.low;
  p.form = &form;
  p.channel = channel_at(&form, 0);
  clear();
  c_depthwise_begin(&p);
  if (p.height * p.width * 8 > BUFFER) return SKIPPED;
  fill(input, BUFFER, -128, 127);
  fill(weights, 9, between(0, 1) == 0 ? 127 : -128, 127);
  const int8_t *from = input + between(0, channels - 1);
  c_depthwise_pack(&p, from);
  if (is_packing) {
    depthwise_plane q = p;
    q.plane = words[3];
    c_depthwise_begin(&q);
    depthwise_pack(&q, from);
    return differ(words[2], words[3]);
  }
  if (!depthwise_is_3x3(&p)) return SKIPPED;
  depthwise_3x3(&p, weights, (int8_t *)words[0] + 4);
  c_depthwise_3x3(&p, weights, (int8_t *)words[1] + 4);
  return differ(words[0], words[1]);
}

static int planes(void) {
  return depthwise(1);
}

static int windows_3x3(void) {
  return depthwise(0);
}

int main(void) {
  static int (*const entries[6])(void) = {products, dot, pack, multiply, planes, windows_3x3};
  for (uint32_t e = 0; e < 6; e++) {
    for (uint32_t i = 0; report.entries[e].cases < CASES; i++) {
      state = 0x9e3779b9u * (i + 1u) + e;
      for (int32_t warm = 0; warm < 4; warm++) next();
      const int result = entries[e]();
      if (result == SKIPPED) continue;
      if (result != 0 && report.entries[e].wrong == 0) report.entries[e].wrong = i + 1;
      report.entries[e].cases++;
    }
  }
  report.done = 1;
  for (;;) __asm__ volatile("bkpt 0");
}
