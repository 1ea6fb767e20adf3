// Operations of the encoders of reference audio; the readable twin is kernels/reference/encoders.cpp. They
// run once per clip: rows are copied whole, sums over time walk all channels of a row at once.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <cmath>

namespace tts {

void Cpu::unfold(float* y, const float* x, const float* add, const Neighbours& n, int rows) {
  const Columns& c = n.columns;
  const int64_t reach = n.taps / 2 * n.dilation;
  check(reach < rows, Exit::internal, "unfold: {} rows are too few to reflect {} of them", rows, reach);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = -reach; k <= reach; k += n.dilation, y += c.count) {
      int64_t from = std::abs(r + k);
      if (from >= rows) from = 2 * (rows - 1) - from;
      std::copy_n(x + from * c.width + c.first, c.count, y);
      if (!add) continue;
      for (int64_t i = 0; i < c.count; ++i) y[i] += add[from * c.count + i];
    }
  }
}

void Cpu::insert(float* y, const float* x, const Columns& columns, int rows) {
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(x + r * columns.count, columns.count, y + r * columns.width + columns.first);
  }
}

namespace {

constexpr int kPoolChannels{
    64};  // of a chunk: two cache lines of a row and more, few enough for the first cache

// Columns [0, channels) of rows that are C apart.
void pool_channels(float* y, const float* x, const float* scores, int channels, int64_t C, int rows) {
  double weight[kPoolChannels], weights[kPoolChannels]{}, mean[kPoolChannels]{}, variance[kPoolChannels]{};
  float largest[kPoolChannels];
  std::fill_n(weight, kPoolChannels, 1.0);
  std::fill_n(largest, kPoolChannels, -HUGE_VALF);
  for (int64_t r = 0; scores && r < rows; ++r) {
    for (int c = 0; c < channels; ++c) largest[c] = std::fmax(largest[c], scores[r * C + c]);
  }
  const auto weigh = [&](int64_t r) {
    for (int c = 0; scores && c < channels; ++c)
      weight[c] = std::exp(double{scores[r * C + c]} - double{largest[c]});
  };
  for (int64_t r = 0; r < rows; ++r) {
    weigh(r);
    for (int c = 0; c < channels; ++c) weights[c] += weight[c], mean[c] += weight[c] * double{x[r * C + c]};
  }
  for (int c = 0; c < channels; ++c) mean[c] /= weights[c];
  for (int64_t r = 0; r < rows; ++r) {
    weigh(r);
    for (int c = 0; c < channels; ++c) {
      const double distance = double{x[r * C + c]} - mean[c];
      variance[c] += weight[c] * distance * distance;
    }
  }
  for (int c = 0; c < channels; ++c) {
    const double square = variance[c] / weights[c];
    y[c] = static_cast<float>(mean[c]);
    y[C + c] = static_cast<float>(std::sqrt(square < 1e-12 ? 1e-12 : square));  // NaN stays NaN
  }
}

}  // namespace

void Cpu::pool(float* y, const float* x, const float* scores, int C, int rows) {
  team_.run((C + kPoolChannels - 1) / kPoolChannels, [&](int chunk, int) {
    const int first = chunk * kPoolChannels, channels = std::min(kPoolChannels, C - first);
    pool_channels(y + first, x + first, scores ? scores + first : nullptr, channels, C, rows);
  });
}

void Cpu::add_scaled(float* y, const float* x, const float* scale, int C, int rows) {
  for (int r = 0; r < rows; ++r, x += C, y += C) {
    for (int c = 0; c < C; ++c) y[c] += scale[c] * x[c];
  }
}

namespace {

// Eight sums side by side, folded in one order.
float distance(const float* a, const float* b, int64_t n) {
  constexpr int64_t kSums{8};
  float sums[kSums]{};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int64_t j = 0; j < kSums; ++j) sums[j] += (a[i + j] - b[i + j]) * (a[i + j] - b[i + j]);
  }
  for (; i < n; ++i) sums[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

}  // namespace

void Cpu::nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows) {
  const int64_t V = table.rows(), W = table.columns();
  team_.run(rows, [&](int r, int) {
    float* row = x + r * W;
    float nearest = HUGE_VALF;
    int64_t code = -1;
    for (int64_t v = 0; v < V; ++v) {
      const float d = distance(row, table.f32() + v * W, W);
      if (d < nearest) nearest = d, code = v;
    }
    codes[r * groups + group] = static_cast<int32_t>(code);
    for (int64_t i = 0; code >= 0 && i < W; ++i) row[i] -= table.f32()[code * W + i];
  });
}

}  // namespace tts
