#include "kernel.h"

uint32_t exit_answers(const int8_t *scores, uint32_t classes, uint32_t criterion, const uint16_t *thresholds) {
  int32_t top = scores[0];
  int32_t second = -128;
  uint32_t winner = 0;
  for (uint32_t c = 1; c < classes; c++) {
    const int32_t score = scores[c];
    if (score > top) {
      second = top;
      top = score;
      winner = c;
    } else if (score > second) {
      second = score;
    }
  }
  const int32_t measure = criterion == EXIT_MARGIN ? top - second : top + 128;
  return measure >= (int32_t)thresholds[winner];
}
