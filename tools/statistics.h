// Order statistics of a few measurements.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace tts {

// Value below which `share` of the measurements lie; between two of them by proportion. None: 0.
inline double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double next = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (next - values[below]) * (place - static_cast<double>(below));
}

inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

// Standard deviation of a sample; of a single value 0.
inline double deviation(const std::vector<double>& values) {
  double mean = 0, square = 0;
  for (const double x : values) mean += x / static_cast<double>(values.size());
  for (const double x : values) square += (x - mean) * (x - mean);
  return values.size() < 2 ? 0 : std::sqrt(square / static_cast<double>(values.size() - 1));
}

}  // namespace tts
