// Attention of new rows over a ring of keys and values.
//
//   cache: [nkv][capacity][d] keys, and the same of values; f32 or bf16; position p in slot p % capacity
//
// First every new row is normed, rotated and appended; then each (row, kv head) is computed on its own from
// the cache and the query heads that share it: scores of all visible positions, one softmax, one weighted sum
// in ascending positions. So nothing depends on which rows came in the same call.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <cmath>

#ifndef TTS_LEVEL

namespace tts {

namespace {

struct Visible {  // positions first..last of one kv head of the cache
  const KvCache* cache;
  const Heads* heads;
  int64_t kv, first, last;
};

struct AttentionKernels {
  // per-head norm (unless empty), rotation: d floats
  void (*prepare)(float* head, const float* x, const float* norm, const float* rope, const Heads& heads);
  void (*store)(const KvCache& cache, bool value, int64_t at, const float* head, int64_t d);
  // y[queries][d] of the prepared heads q[queries][d]; scores: queries * (last - first + 1) floats of scratch
  void (*attend)(float* y, const float* q, const Visible& visible, int queries, float* scores);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/attention.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

void Cpu::attend(float* y, const float* x, const Tensor& q_norm, const Tensor& k_norm, const KvCache& cache,
                 const Heads& heads, const int32_t* position, int rows) {
  const AttentionKernels& kernels = TTS_BY_LEVEL(kAttention, level_);
  const int64_t d = heads.d, begin = *position, shared = heads.nq / heads.nkv;
  const int64_t width = (heads.nq + 2 * int64_t{heads.nkv}) * d;
  check(heads.window > 0 ? heads.window - 1 + rows <= cache.capacity : begin + rows <= cache.capacity,
        Exit::internal, "attend: {} rows from position {} do not fit a cache of {}", rows, begin,
        cache.capacity);
  const int64_t reach = std::min<int64_t>(heads.window > 0 ? heads.window : cache.capacity, cache.capacity);
  const int64_t scratch = (reach + d) * shared;  // scores, prepared queries
  float* memory = scores_.get<float>(scratch * team_.threads());

  const auto append = [&](int unit, int thread) {
    const int64_t row = unit / heads.nkv, h = unit % heads.nkv;
    const float* k = x + row * width + (heads.nq + h) * d;
    const int64_t at = (h * cache.capacity + (begin + row) % cache.capacity) * d;
    float* head = memory + scratch * thread;
    kernels.prepare(head, k, k_norm.f32(), heads.rope + (begin + row) * d, heads);
    kernels.store(cache, false, at, head, d);
    kernels.store(cache, true, at, k + heads.nkv * d, d);
  };
  const auto compute = [&](int unit, int thread) {
    const int64_t row = unit / heads.nkv, kv = unit % heads.nkv, last = begin + row;
    float* scores = memory + scratch * thread;
    float* q = scores + reach * shared;
    for (int64_t i = 0; i < shared; ++i) {
      const float* head = x + row * width + (kv * shared + i) * d;
      kernels.prepare(q + i * d, head, q_norm.f32(), heads.rope + last * d, heads);
    }
    const int64_t first = heads.window > 0 ? std::max<int64_t>(0, last - heads.window + 1) : 0;
    kernels.attend(y + (row * heads.nq + kv * shared) * d, q, {&cache, &heads, kv, first, last},
                   static_cast<int>(shared), scores);
  };
  const int units = rows * heads.nkv;
  constexpr int64_t kWorthSharing{1 << 15};  // multiply-adds
  const bool alone = rows * heads.nq * d * std::min(reach, begin + rows) < kWorthSharing;
  if (alone || rows == 1) {
    for (int unit = 0; unit < units; ++unit) append(unit, 0);
  } else {
    team_.run(units, append);
  }
  if (alone) {
    for (int unit = 0; unit < units; ++unit) compute(unit, 0);
  } else {
    team_.run(units, compute);
  }
}

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"

void prepare(float* head, const float* x, const float* norm, const float* rope, const Heads& heads) {
  const int64_t d = heads.d, half = d / 2;
  float scale = 1;
  if (norm != nullptr) {
    F squares{};
    for (int64_t i = 0; i < d; i += kLanes) {
      const F value = d - i >= kLanes ? load(x + i) : load_part(x + i, d - i);
      squares = fma(value, value, squares);
    }
    scale = 1.0f / std::sqrt(sum(squares) / static_cast<float>(d) + heads.eps);
  }
  for (int64_t i = 0; i < half; ++i) {
    float a = x[i] * scale, b = x[i + half] * scale;
    if (norm != nullptr) a *= norm[i], b *= norm[i + half];
    head[i] = a * rope[i] - b * rope[i + half];
    head[i + half] = b * rope[i] + a * rope[i + half];
  }
}

void store_head(const KvCache& cache, bool value, int64_t at, const float* head, int64_t d) {
  void* memory = value ? cache.v : cache.k;
  if (cache.dtype == DType::bf16) {
    for (int64_t i = 0; i < d; ++i) static_cast<bf16*>(memory)[at + i] = round_to_bf16(head[i]);
  } else {
    for (int64_t i = 0; i < d; ++i) static_cast<float*>(memory)[at + i] = head[i];
  }
}

template <class T>
const T* row_of(const void* memory, const Visible& v, int64_t slot) {
  return static_cast<const T*>(memory) + (v.kv * v.cache->capacity + slot) * v.heads->d;
}

// scores[query][position] = q . k / sqrt(d), P neighbouring positions from p on; Q queries share the loads.
template <class T, int Q, int P>
void score_some(float* scores, const float* q, const Visible& v, int64_t p) {
  const int64_t d = v.heads->d, count = v.last - v.first + 1, whole = d / kLanes * kLanes;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  const T* keys[P];
  for (int j = 0; j < P; ++j) keys[j] = row_of<T>(v.cache->k, v, (v.first + p + j) % v.cache->capacity);
  F sums[Q][P]{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    F key[P];
    for (int j = 0; j < P; ++j) key[j] = load(keys[j] + i);
    for (int n = 0; n < Q; ++n) {
      const F query = load(q + n * d + i);
      for (int j = 0; j < P; ++j) sums[n][j] = fma(query, key[j], sums[n][j]);
    }
  }
  for (int n = 0; whole < d && n < Q; ++n) {
    const F query = load_part(q + n * d + whole, d - whole);
    for (int j = 0; j < P; ++j) sums[n][j] = fma(query, load_part(keys[j] + whole, d - whole), sums[n][j]);
  }
  for (int n = 0; n < Q; ++n) {
    float* out = scores + n * count + p;
    if constexpr (P == 4) {
      store_sums(out, sums[n][0], sums[n][1], sums[n][2], sums[n][3]);
      for (int j = 0; j < P; ++j) out[j] *= scale;
    } else {
      for (int j = 0; j < P; ++j) out[j] = sum(sums[n][j]) * scale;
    }
  }
}

template <class T, int Q>
void score(float* scores, const float* q, const Visible& v) {
  const int64_t count = v.last - v.first + 1;
  int64_t p = 0;
  for (; p + 4 <= count; p += 4) score_some<T, Q, 4>(scores, q, v, p);
  for (; p < count; ++p) score_some<T, Q, 1>(scores, q, v, p);
}

// Exponentials in place; the factor that makes their sum 1.
float soften(float* scores, int64_t count) {
  F most = broadcast(scores[0]);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) most = select(load(scores + i) > most, load(scores + i), most);
  float top = largest(most);
  for (; i < count; ++i) top = scores[i] > top ? scores[i] : top;
  F total{};
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const F weight = exp_of(load(scores + i) - top);
    store(scores + i, weight);
    total += weight;
  }
  float rest[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) rest[lane] = i + lane < count ? scores[i + lane] - top : -1000.0f;
  const F weight = exp_of(load(rest));
  store_part(scores + i, weight, count - i);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (i + lane < count) total[lane] += weight[lane];
  }
  return 1.0f / sum(total);
}

// y[query] = factor * sum of weight * v in ascending positions, for B vectors of channels from i on; `last`
// channels in the last vector.
template <class T, int Q, int B>
void gather_some(float* y, const float* weights, const float* factors, const Visible& v, int64_t i,
                 int64_t last) {
  const int64_t d = v.heads->d, count = v.last - v.first + 1;
  F sums[Q][B]{};
  int64_t slot = v.first % v.cache->capacity;
  for (int64_t p = 0; p < count; ++p) {
    const T* value = row_of<T>(v.cache->v, v, slot) + i;
    F weight[Q];
    for (int n = 0; n < Q; ++n) weight[n] = broadcast(weights[n * count + p]);
    for (int b = 0; b < B; ++b) {
      const F part =
          b + 1 < B || last == kLanes ? load(value + b * kLanes) : load_part(value + b * kLanes, last);
      for (int n = 0; n < Q; ++n) sums[n][b] = fma(weight[n], part, sums[n][b]);
    }
    if (++slot == v.cache->capacity) slot = 0;
  }
  for (int n = 0; n < Q; ++n) {
    for (int b = 0; b < B; ++b) {
      float* out = y + n * d + i + b * kLanes;
      if (b + 1 < B || last == kLanes)
        store(out, sums[n][b] * factors[n]);
      else
        store_part(out, sums[n][b] * factors[n], last);
    }
  }
}

template <class T, int Q>
void gather(float* y, const float* weights, const float* factors, const Visible& v) {
  constexpr int64_t kBlock{TTS_LANES == 16 ? 8 : 4};  // vectors; with two queries 16 of 32, 8 of 16 registers
  const int64_t d = v.heads->d;
  int64_t i = 0;
  for (; i + kBlock * kLanes <= d; i += kBlock * kLanes) {
    gather_some<T, Q, kBlock>(y, weights, factors, v, i, kLanes);
  }
  for (; i < d; i += kLanes)
    gather_some<T, Q, 1>(y, weights, factors, v, i, std::min<int64_t>(kLanes, d - i));
}

template <class T, int Q>
void attend_some(float* y, const float* q, const Visible& v, float* scores) {
  const int64_t count = v.last - v.first + 1;
  float factors[Q];
  score<T, Q>(scores, q, v);
  for (int n = 0; n < Q; ++n) factors[n] = soften(scores + n * count, count);
  gather<T, Q>(y, scores, factors, v);
}

template <class T>
void attend_all(float* y, const float* q, const Visible& v, int queries, float* scores) {
  const int64_t d = v.heads->d;
  int n = 0;
  for (; n + 2 <= queries; n += 2) attend_some<T, 2>(y + n * d, q + n * d, v, scores);
  if (n < queries) attend_some<T, 1>(y + n * d, q + n * d, v, scores);
}

void attend(float* y, const float* q, const Visible& v, int queries, float* scores) {
  if (v.cache->dtype == DType::bf16)
    attend_all<bf16>(y, q, v, queries, scores);
  else
    attend_all<float>(y, q, v, queries, scores);
}

}  // namespace

constexpr AttentionKernels kAttention{prepare, store_head, attend};

}  // namespace tts::TTS_LEVEL

#endif
