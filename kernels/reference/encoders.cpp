// Operations of the encoders of reference audio: spec/speaker-encoder.md section 5, spec/codec-encoder.md
// section 4.5.
#include "kernels/reference/reference.h"

#include <algorithm>
#include <cmath>

namespace tts {

void Reference::unfold(float* y, const float* x, const float* add, const Neighbours& n, int rows) {
  const Columns& c = n.columns;
  check(n.taps / 2 * n.dilation < rows, Exit::internal, "unfold: {} rows are too few to reflect {} of them",
        rows, n.taps / 2 * n.dilation);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < n.taps; ++k) {
      int64_t from = std::abs(r + (k - n.taps / 2) * n.dilation);
      if (from >= rows) from = 2 * (rows - 1) - from;
      for (int64_t i = 0; i < c.count; ++i) {
        *y++ = x[from * c.width + c.first + i] + (add ? add[from * c.count + i] : 0);
      }
    }
  }
}

void Reference::insert(float* y, const float* x, const Columns& columns, int rows) {
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(x + r * columns.count, columns.count, y + r * columns.width + columns.first);
  }
}

void Reference::pool(float* y, const float* x, const float* scores, int C, int rows) {
  for (int64_t c = 0; c < C; ++c) {
    double largest = scores ? -HUGE_VAL : 0;
    for (int64_t r = 0; scores && r < rows; ++r) largest = std::fmax(largest, double{scores[r * C + c]});
    const auto weight = [&](int64_t r) { return scores ? std::exp(double{scores[r * C + c]} - largest) : 1; };
    double weights = 0, mean = 0, variance = 0;
    for (int64_t r = 0; r < rows; ++r) weights += weight(r), mean += weight(r) * double{x[r * C + c]};
    mean /= weights;
    for (int64_t r = 0; r < rows; ++r) {
      const double distance = double{x[r * C + c]} - mean;
      variance += weight(r) * distance * distance;
    }
    variance /= weights;
    y[c] = static_cast<float>(mean);
    y[C + c] = static_cast<float>(std::sqrt(variance < 1e-12 ? 1e-12 : variance));  // NaN stays NaN
  }
}

void Reference::add_scaled(float* y, const float* x, const float* scale, int C, int rows) {
  for (int64_t i = 0; i < int64_t{rows} * C; ++i) {
    y[i] = static_cast<float>(double{y[i]} + double{scale[i % C]} * double{x[i]});
  }
}

void Reference::nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows) {
  const int64_t V = table.rows(), W = table.columns();
  for (int64_t r = 0; r < rows; ++r, x += W) {
    double nearest = HUGE_VAL;
    int64_t code = -1;
    for (int64_t v = 0; v < V; ++v) {
      double distance = 0;
      for (int64_t i = 0; i < W; ++i) {
        const double difference = double{x[i]} - double{table.f32()[v * W + i]};
        distance += difference * difference;
      }
      if (distance < nearest) nearest = distance, code = v;
    }
    codes[r * groups + group] = static_cast<int32_t>(code);
    for (int64_t i = 0; code >= 0 && i < W; ++i) x[i] -= table.f32()[code * W + i];
  }
}

}  // namespace tts
