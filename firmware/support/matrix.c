#include "matrix.h"

#include "dot.h"

void matrix_columns(const matrix *m, const int8_t *column0, const int8_t *column1, int8_t *out0, int8_t *out1) {
  const int32_t depth = m->depth;
  const int8_t *weights = m->weights;
  for (int32_t c = 0; c < m->channels; c += 2) {
    /* An odd last channel is computed twice. */
    const int32_t next = c + 1 < m->channels ? c + 1 : c;
    const channel_parameters first = channel_at(&m->tables, c);
    const channel_parameters second = channel_at(&m->tables, next);
    int32_t sums[2][2] = {{first.bias, second.bias}, {first.bias, second.bias}};
    const int8_t *next_weights = weights + (next - c) * depth;
    if (out0 == out1) {
      dot_1x2(column0, weights, next_weights, depth, sums[0]);
    } else {
      dot_2x2(column0, column1, weights, next_weights, depth, sums);
      out1[c] = to_int8(sums[1][0], &first, &m->range);
      out1[next] = to_int8(sums[1][1], &second, &m->range);
    }
    out0[c] = to_int8(sums[0][0], &first, &m->range);
    out0[next] = to_int8(sums[0][1], &second, &m->range);
    weights += 2 * depth;
  }
}
