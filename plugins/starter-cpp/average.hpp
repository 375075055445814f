// The code under test. It stands for your own: link your library instead, or put the code here.
#pragma once

#include <cstddef>
#include <vector>

// The means of all windows of `width` successive values; none if there are fewer values than that.
inline std::vector<double> moving_average(const std::vector<double> &values, std::size_t width) {
  if (width == 0 || values.size() < width) return {};
  std::vector<double> means;
  means.reserve(values.size() - width + 1);
  double sum = 0;
  for (std::size_t i = 0; i < width; i++) sum += values[i];
  means.push_back(sum / double(width));
  for (std::size_t i = width; i < values.size(); i++) {
    sum += values[i] - values[i - width];
    means.push_back(sum / double(width));
  }
  return means;
}
