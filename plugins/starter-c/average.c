#include "average.h"

size_t moving_average(const double *values, size_t n, size_t width, double *means) {
  if (width == 0 || n < width) return 0;
  double sum = 0;
  for (size_t i = 0; i < width; i++) sum += values[i];
  means[0] = sum / (double)width;
  for (size_t i = width; i < n; i++) {
    sum += values[i] - values[i - width];
    means[i - width + 1] = sum / (double)width;
  }
  return n - width + 1;
}
