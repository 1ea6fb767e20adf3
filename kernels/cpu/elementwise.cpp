// Norms, embedding sums and the clamp.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <cmath>

#ifndef TTS_LEVEL

namespace tts {

namespace {

struct ElementwiseKernels {
  void (*norm)(float* y, const float* x, const float* weight, const float* bias, float eps, int64_t H);
  void (*add_row)(float* y, const Tensor& table, int64_t row);
  void (*clamp)(float* y, const float* x, int64_t n);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/elementwise.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

void Cpu::norm(float* y, const float* x, const Norm& norm, int rows) {
  const ElementwiseKernels& kernels = TTS_BY_LEVEL(kElementwise, level_);
  const int64_t H = norm.weight.shape[0];
  const auto one = [&](int row, int) {
    kernels.norm(y + row * H, x + row * H, norm.weight.f32(), norm.bias.f32(), norm.eps, H);
  };
  if (rows < 8) {
    for (int row = 0; row < rows; ++row) one(row, 0);
  } else {
    team_.run(rows, one);
  }
}

namespace {

void add_one(const ElementwiseKernels& kernels, float* y, const Tensor& table, int32_t id) {
  if (id < 0 || !table) return;
  check(id < table.rows(), Exit::internal, "embedding: expected an id below {}, got {}", table.rows(), id);
  kernels.add_row(y, table, id);
}

}  // namespace

void Cpu::embed(float* y, const int32_t* ids, const Tensor& table, int rows) {
  zero(y, rows * table.columns() * int64_t{sizeof(float)});
  embed_add(y, ids, table, rows);
}

void Cpu::embed_add(float* y, const int32_t* ids, const Tensor& table, int rows) {
  const ElementwiseKernels& kernels = TTS_BY_LEVEL(kElementwise, level_);
  for (int r = 0; r < rows; ++r) add_one(kernels, y + r * table.columns(), table, ids[r]);
}

void Cpu::sum_codes(float* y, const int32_t* codes, const Tensor* tables, int groups, int rows) {
  const ElementwiseKernels& kernels = TTS_BY_LEVEL(kElementwise, level_);
  int64_t H = 0;
  for (int g = 0; g < groups; ++g) H = tables[g] ? tables[g].columns() : H;
  zero(y, rows * H * int64_t{sizeof(float)});
  for (int r = 0; r < rows; ++r) {
    for (int g = 0; g < groups; ++g) add_one(kernels, y + r * H, tables[g], codes[r * groups + g]);
  }
}

void Cpu::embed_code(float* y, const SampleState& state, int group, const Tensor& table) {
  embed(y, state.codes + state.cursor->frame * state.groups + group, table, 1);
}

void Cpu::next_row(float* y, const SampleState& state, const Tensor* tables, const float* text,
                   int text_rows) {
  const int64_t H = tables[0].columns();
  const int frame = state.cursor->frame;
  sum_codes(y, state.codes + frame * state.groups, tables, state.groups, 1);
  const float* row = text + std::min(frame, text_rows - 1) * H;
  for (int64_t i = 0; i < H; ++i) y[i] += row[i];
}

void Cpu::clamp(float* y, const float* x, int n) { TTS_BY_LEVEL(kElementwise, level_).clamp(y, x, n); }

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"

F load_some(const float* p, int64_t i, int64_t n) {
  return n - i >= kLanes ? load(p + i) : load_part(p + i, n - i);
}

void norm_row(float* y, const float* x, const float* weight, const float* bias, float eps, int64_t H) {
  const float count = static_cast<float>(H);
  float mean = 0;
  if (bias != nullptr) {
    F total{};
    for (int64_t i = 0; i < H; i += kLanes) total += load_some(x, i, H);
    mean = sum(total) / count;
  }
  const int64_t whole = H / kLanes * kLanes;
  F squares[2]{};  // two chains: the latency of one fused multiply-add is four times its rate
  for (int64_t i = 0; i < whole; i += kLanes) {
    const F value = load(x + i) - mean;
    F& part = squares[i / kLanes % 2];
    part = fma(value, value, part);
  }
  float square = sum(squares[0] + squares[1]);
  for (int64_t i = whole; i < H; ++i) square += (x[i] - mean) * (x[i] - mean);
  const float scale = 1.0f / std::sqrt(square / count + eps);
  for (int64_t i = 0; i < H; i += kLanes) {
    F value = (load_some(x, i, H) - mean) * scale * load_some(weight, i, H);
    if (bias != nullptr) value += load_some(bias, i, H);
    if (H - i >= kLanes)
      store(y + i, value);
    else
      store_part(y + i, value, H - i);
  }
}

template <class T>
void add(float* y, const T* row, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(y + i) + load(row + i));
  if (i < n) store_part(y + i, load_part(y + i, n - i) + load_part(row + i, n - i), n - i);
}

void add_row(float* y, const Tensor& table, int64_t row) {
  const int64_t H = table.columns();
  if (table.dtype == DType::f32) return add(y, table.f32() + row * H, H);
  if (table.dtype == DType::bf16) return add(y, static_cast<const bf16*>(table.data) + row * H, H);
  constexpr int64_t kPiece{16384};  // the widest model (base/limits.h)
  check(H <= kPiece, Exit::internal, "embedding: expected at most {} columns, got {}", kPiece, H);
  float wide[kPiece];
  widen_row(wide, table, row);
  add(y, wide, H);
}

void clamp(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < -1.0f ? -1.0f : x[i] > 1.0f ? 1.0f : x[i];  // NaN stays NaN
}

}  // namespace

constexpr ElementwiseKernels kElementwise{norm_row, add_row, clamp};

}  // namespace tts::TTS_LEVEL

#endif
