#include "kernels/reference/reference.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace tts {

namespace {

using Row = std::vector<double>;

double activate(double x, Act act) {
  switch (act) {
    case Act::none:
      return x;
    case Act::relu:
      return x < 0 ? 0 : x;  // NaN stays NaN
    case Act::silu:
      return x / (1 + std::exp(-x));
    case Act::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Act::tanh:
      return std::tanh(x);
    case Act::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Act::relu_tanh:
      return std::tanh(x < 0 ? 0 : x);
  }
  return x;
}

// w[M,K] . x[K]
Row multiply(const Tensor& w, const Row& x) {
  const size_t M = static_cast<size_t>(w.rows()), K = static_cast<size_t>(w.columns());
  std::vector<float> weights(K);
  Row y(M);
  for (size_t m = 0; m < M; ++m) {
    widen_row(weights.data(), w, static_cast<int64_t>(m));
    for (size_t k = 0; k < K; ++k) y[m] += double{weights[k]} * x[k];
  }
  return y;
}

Row load(const float* x, int64_t n) { return {x, x + n}; }

// spec/talker.md section 3 (RMSNorm), spec/codec-decoder.md section 3 (both)
Row normalize(const Row& x, const Norm& norm) {
  double mean = 0, square = 0;
  if (norm.bias) {
    for (const double value : x) mean += value;
    mean /= static_cast<double>(x.size());
  }
  for (const double value : x) square += (value - mean) * (value - mean);
  const double scale = 1 / std::sqrt(square / static_cast<double>(x.size()) + double{norm.eps});
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] =
        double{norm.weight.f32()[i]} * ((x[i] - mean) * scale) + (norm.bias ? double{norm.bias.f32()[i]} : 0);
  }
  return y;
}

}  // namespace

// ---- matrices ---------------------------------------------------------------------------------------------

void Reference::linear(float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act) {
  const int64_t M = w.rows(), K = w.columns();
  for (int r = 0; r < rows; ++r) {
    const Row dot = multiply(w, load(x + r * K, K));
    for (int64_t m = 0; m < M; ++m) {
      const double sum = dot[static_cast<size_t>(m)] + (bias ? double{bias.f32()[m]} : 0);
      y[r * M + m] = static_cast<float>(activate(sum, act));
    }
  }
}

void Reference::linear_add(float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                           int rows) {
  const int64_t M = w.rows(), K = w.columns();
  for (int r = 0; r < rows; ++r) {
    const Row dot = multiply(w, load(x + r * K, K));
    for (int64_t m = 0; m < M; ++m) {
      const double sum = dot[static_cast<size_t>(m)] + (bias ? double{bias.f32()[m]} : 0);
      y[r * M + m] = static_cast<float>(double{y[r * M + m]} + (scale ? double{scale.f32()[m]} : 1) * sum);
    }
  }
}

// spec/talker.md section 4, steps 1; spec/codec-decoder.md section 4.3
void Reference::qkv(float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows) {
  const int64_t H = w.q.columns();
  for (int r = 0; r < rows; ++r) {
    const Row n = normalize(load(x + r * H, H), norm);
    for (const Tensor* matrix : {&w.q, &w.k, &w.v}) {
      for (const double value : multiply(*matrix, n)) *y++ = static_cast<float>(value);
    }
  }
}

// spec/talker.md section 4
void Reference::gated(float* y, const float* x, const Norm& norm, const Tensor& gate, const Tensor& up,
                      int rows) {
  const int64_t H = gate.columns();
  for (int r = 0; r < rows; ++r) {
    const Row n = normalize(load(x + r * H, H), norm);
    const Row g = multiply(gate, n), u = multiply(up, n);
    for (size_t i = 0; i < g.size(); ++i) *y++ = static_cast<float>(activate(g[i], Act::silu) * u[i]);
  }
}

void Reference::norm(float* y, const float* x, const Norm& norm, int rows) {
  const int64_t H = norm.weight.shape[0];
  for (int r = 0; r < rows; ++r) {
    const Row n = normalize(load(x + r * H, H), norm);
    for (int64_t i = 0; i < H; ++i) y[r * H + i] = static_cast<float>(n[static_cast<size_t>(i)]);
  }
}

// ---- attention --------------------------------------------------------------------------------------------

namespace {

// spec/talker.md section 4, steps 2 and 3: per-head norm, then the half-split rotation of section 5
Row prepare_head(const float* x, const Tensor& weight, const Heads& heads, int64_t position) {
  Row head = load(x, heads.d);
  if (weight) head = normalize(head, {weight, {}, heads.eps});
  const float* cosine = heads.rope + position * heads.d;
  const float* sine = cosine + heads.d / 2;
  const size_t half = static_cast<size_t>(heads.d / 2);
  for (size_t i = 0; i < half; ++i) {
    const double a = head[i], b = head[i + half];
    head[i] = a * double{cosine[i]} - b * double{sine[i]};
    head[i + half] = b * double{cosine[i]} + a * double{sine[i]};
  }
  return head;
}

void store(void* cache, DType dtype, int64_t at, double value) {
  if (dtype == DType::bf16)
    static_cast<bf16*>(cache)[at] = round_to_bf16(static_cast<float>(value));
  else
    static_cast<float*>(cache)[at] = static_cast<float>(value);
}

double fetch(const void* cache, DType dtype, int64_t at) {
  if (dtype == DType::bf16) return double{widen(static_cast<const bf16*>(cache)[at])};
  return double{static_cast<const float*>(cache)[at]};
}

}  // namespace

void Reference::attend(float* y, const float* x, const Tensor& q_norm, const Tensor& k_norm,
                       const KvCache& cache, const Heads& heads, const int32_t* position, int rows) {
  const int64_t d = heads.d, width = (heads.nq + 2 * int64_t{heads.nkv}) * d;
  const auto slot = [&](int64_t p, int64_t head) { return (head * cache.capacity + p % cache.capacity) * d; };
  check(heads.window > 0 ? heads.window - 1 + rows <= cache.capacity : *position + rows <= cache.capacity,
        Exit::internal, "attend: {} rows from position {} do not fit a cache of {}", rows, *position,
        cache.capacity);
  for (int r = 0; r < rows; ++r) {  // append
    const float* k = x + r * width + heads.nq * d;
    const float* v = k + heads.nkv * d;
    for (int64_t h = 0; h < heads.nkv; ++h) {
      const Row key = prepare_head(k + h * d, k_norm, heads, *position + r);
      for (int64_t i = 0; i < d; ++i) {
        store(cache.k, cache.dtype, slot(*position + r, h) + i, key[static_cast<size_t>(i)]);
        store(cache.v, cache.dtype, slot(*position + r, h) + i, double{v[h * d + i]});
      }
    }
  }
  for (int r = 0; r < rows; ++r) {
    const int64_t last = *position + r;
    const int64_t first = heads.window > 0 && last >= heads.window ? last - heads.window + 1 : 0;
    for (int64_t h = 0; h < heads.nq; ++h) {
      const int64_t kv = h / (heads.nq / heads.nkv);
      const Row q = prepare_head(x + r * width + h * d, q_norm, heads, last);
      Row weight(static_cast<size_t>(last - first + 1));
      double largest = -HUGE_VAL, sum = 0;
      for (int64_t p = first; p <= last; ++p) {
        double& score = weight[static_cast<size_t>(p - first)];
        for (int64_t i = 0; i < d; ++i)
          score += q[static_cast<size_t>(i)] * fetch(cache.k, cache.dtype, slot(p, kv) + i);
        score /= std::sqrt(static_cast<double>(d));
        largest = std::max(largest, score);
      }
      for (double& score : weight) sum += score = std::exp(score - largest);
      for (int64_t i = 0; i < d; ++i) {
        double value = 0;
        for (int64_t p = first; p <= last; ++p) {
          value +=
              weight[static_cast<size_t>(p - first)] / sum * fetch(cache.v, cache.dtype, slot(p, kv) + i);
        }
        y[(r * heads.nq + h) * d + i] = static_cast<float>(value);
      }
    }
  }
}

// ---- embeddings: f32 additions in the order of the list, so every device gives the same bits --------------

namespace {

void add_row(float* y, const Tensor& table, int32_t id) {
  if (id < 0 || !table) return;
  check(id < table.rows(), Exit::internal, "embedding: expected an id below {}, got {}", table.rows(), id);
  std::vector<float> row(static_cast<size_t>(table.columns()));
  widen_row(row.data(), table, id);
  for (const float value : row) *y++ += value;
}

}  // namespace

void Reference::embed(float* y, const int32_t* ids, const Tensor& table, int rows) {
  zero(y, rows * table.columns() * int64_t{sizeof(float)});
  embed_add(y, ids, table, rows);
}

void Reference::embed_add(float* y, const int32_t* ids, const Tensor& table, int rows) {
  for (int r = 0; r < rows; ++r) add_row(y + r * table.columns(), table, ids[r]);
}

// spec/codec-decoder.md section 4.1
void Reference::sum_codes(float* y, const int32_t* codes, const Tensor* tables, int groups, int rows) {
  int64_t H = 0;
  for (int g = 0; g < groups; ++g) H = tables[g] ? tables[g].columns() : H;
  zero(y, rows * H * int64_t{sizeof(float)});
  for (int r = 0; r < rows; ++r) {
    for (int g = 0; g < groups; ++g) add_row(y + r * H, tables[g], codes[r * groups + g]);
  }
}

// spec/talker.md section 7
void Reference::embed_code(float* y, const SampleState& state, int group, const Tensor& table) {
  embed(y, state.codes + state.cursor->frame * state.groups + group, table, 1);
}

// spec/talker.md section 8
void Reference::next_row(float* y, const SampleState& state, const Tensor* tables, const float* text,
                         int text_rows) {
  const int64_t H = tables[0].columns();
  const int frame = state.cursor->frame;
  sum_codes(y, state.codes + frame * state.groups, tables, state.groups, 1);
  const float* row = text + std::min(frame, text_rows - 1) * H;
  for (int64_t i = 0; i < H; ++i) y[i] += row[i];
}

// ---- convolutions: spec/codec-decoder.md section 3, spec/codec-encoder.md section 4.1 ---------------------

namespace {

float activate_input(float x, const Conv& conv, int64_t channel) {
  if (conv.input == Conv::Input::elu) return static_cast<float>(x > 0 ? double{x} : std::expm1(double{x}));
  if (conv.input == Conv::Input::plain) return x;
  const float a = std::exp(conv.alpha.f32()[channel]), b = std::exp(conv.beta.f32()[channel]);
  const double s =
      std::sin(double{x * a});  // the product is rounded to f32 as the official implementation does
  return static_cast<float>(double{x} + s * s / (double{b} + 1e-9));
}

// The history and then the activated new rows; the history becomes the last rows of it.
std::vector<float> extend(const float* x, const Conv& conv, float* history, int rows) {
  const int64_t in = conv.in, old = conv.history_rows();
  check(old >= 0 && rows % conv.stride == 0, Exit::internal,
        "conv: {} rows with stride {}, history of {} rows", rows, conv.stride, old);
  std::vector<float> extended(history, history + old * in);
  for (int64_t i = 0; i < rows * in; ++i) extended.push_back(activate_input(x[i], conv, i % in));
  std::copy(extended.end() - old * in, extended.end(), history);
  return extended;
}

double convolve(const std::vector<float>& extended, const Conv& conv, int64_t row, int64_t o) {
  double sum = conv.bias ? double{conv.bias.f32()[o]} : 0;
  for (int64_t k = 0; k < conv.taps; ++k) {
    const float* x = extended.data() + (row * conv.stride + k * conv.dilation) * conv.in;
    const float* w = conv.weight.f32() + k * conv.in * conv.out + o;
    for (int64_t i = 0; i < conv.in; ++i) sum += double{x[i]} * double{w[i * conv.out]};
  }
  return sum;
}

}  // namespace

void Reference::conv(float* y, const float* x, const Conv& conv, float* history, int rows) {
  const std::vector<float> extended = extend(x, conv, history, rows);
  for (int64_t r = 0; r < rows / conv.stride; ++r) {
    for (int64_t o = 0; o < conv.out; ++o) *y++ = static_cast<float>(convolve(extended, conv, r, o));
  }
}

void Reference::conv_add(float* y, const float* x, const Conv& conv, float* history, int rows) {
  const std::vector<float> extended = extend(x, conv, history, rows);
  for (int64_t r = 0; r < rows / conv.stride; ++r) {
    for (int64_t o = 0; o < conv.out; ++o, ++y)
      *y = static_cast<float>(double{*y} + convolve(extended, conv, r, o));
  }
}

void Reference::depthwise(float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
                          int rows) {
  const int64_t taps = weight.rows(), C = weight.columns();
  std::vector<float> extended(history, history + (taps - 1) * C);
  extended.insert(extended.end(), x, x + rows * C);
  std::copy(extended.end() - (taps - 1) * C, extended.end(), history);
  for (int64_t i = 0; i < rows * C; ++i) {
    double sum = bias ? double{bias.f32()[i % C]} : 0;
    for (int64_t k = 0; k < taps; ++k) {
      sum += double{weight.f32()[k * C + i % C]} * double{extended[static_cast<size_t>(k * C + i)]};
    }
    y[i] = static_cast<float>(sum);
  }
}

void Reference::clamp(float* y, const float* x, int n) {
  for (int i = 0; i < n; ++i) y[i] = x[i] < -1 ? -1 : x[i] > 1 ? 1 : x[i];  // NaN stays NaN
}

// ---- memory -----------------------------------------------------------------------------------------------

void* Reference::allocate(int64_t bytes) {
  ++counters_.allocations;
  return memory_.allocate(bytes);
}

void Reference::zero(void* to, int64_t bytes) { std::memset(to, 0, static_cast<size_t>(bytes)); }

void Reference::copy(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;  // an empty list may have no address
  std::memmove(to, from, static_cast<size_t>(bytes));
}

void Reference::upload(void* to, const void* from, int64_t bytes) {
  ++counters_.copies;
  copy(to, from, bytes);
}

void Reference::download(void* to, const void* from, int64_t bytes) {
  ++counters_.copies;
  ++counters_.syncs;
  copy(to, from, bytes);
}

}  // namespace tts
