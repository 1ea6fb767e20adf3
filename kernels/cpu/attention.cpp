// Attention of new rows over a ring of keys and values.
//
//   cache slot p % capacity:  [nkv][d] keys, and the same of values; f32 or bf16
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
  float* memory = scores_.get<float>(scratch * pool_->threads());

  const auto append = [&](int unit, int thread) {
    const int64_t row = unit / heads.nkv, h = unit % heads.nkv;
    const float* k = x + row * width + (heads.nq + h) * d;
    const int64_t at = ((begin + row) % cache.capacity * heads.nkv + h) * d;
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
    pool_->run(units, append);
  }
  if (alone) {
    for (int unit = 0; unit < units; ++unit) compute(unit, 0);
  } else {
    pool_->run(units, compute);
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

// scores[query][position]: q . k / sqrt(d)
template <class T>
void score(float* scores, const float* q, const Visible& v, int queries) {
  const int64_t d = v.heads->d, nkv = v.heads->nkv, count = v.last - v.first + 1, whole = d / kLanes * kLanes;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  int64_t slot = v.first % v.cache->capacity;
  for (int64_t p = 0; p < count; ++p) {
    const T* k = static_cast<const T*>(v.cache->k) + (slot * nkv + v.kv) * d;
    __builtin_prefetch(k + 8 * nkv * d);
    for (int j = 0; j < queries; ++j) {
      F products{};
      for (int64_t i = 0; i < whole; i += kLanes) products = fma(load(q + j * d + i), load(k + i), products);
      if (whole < d) {
        products = fma(load_part(q + j * d + whole, d - whole), load_part(k + whole, d - whole), products);
      }
      scores[j * count + p] = sum(products) * scale;
    }
    if (++slot == v.cache->capacity) slot = 0;
  }
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

// y = sum of weight * v, a block of kLanes * kBlock channels at a time in registers.
template <class T>
void gather(float* y, const float* weights, float factor, const Visible& v) {
  constexpr int kBlock{8};
  const int64_t d = v.heads->d, nkv = v.heads->nkv, count = v.last - v.first + 1;
  for (int64_t i = 0; i < d; i += kBlock * kLanes) {
    F sums[kBlock]{};
    int64_t slot = v.first % v.cache->capacity;
    const int64_t width = std::min<int64_t>(kBlock * kLanes, d - i);
    for (int64_t p = 0; p < count; ++p) {
      const T* value = static_cast<const T*>(v.cache->v) + (slot * nkv + v.kv) * d + i;
      __builtin_prefetch(value + 8 * nkv * d);
      const F weight = broadcast(weights[p] * factor);
      if (width == kBlock * kLanes) {
        for (int b = 0; b < kBlock; ++b) sums[b] = fma(weight, load(value + b * kLanes), sums[b]);
      } else {
        for (int64_t b = 0; b * kLanes < width; ++b) {
          const int64_t left = width - b * kLanes;
          const F part = left >= kLanes ? load(value + b * kLanes) : load_part(value + b * kLanes, left);
          sums[b] = fma(weight, part, sums[b]);
        }
      }
      if (++slot == v.cache->capacity) slot = 0;
    }
    for (int64_t b = 0; b * kLanes < width; ++b) {
      const int64_t left = width - b * kLanes;
      if (left >= kLanes)
        store(y + i + b * kLanes, sums[b]);
      else
        store_part(y + i + b * kLanes, sums[b], left);
    }
  }
}

void attend(float* y, const float* q, const Visible& v, int queries, float* scores) {
  const int64_t d = v.heads->d, count = v.last - v.first + 1;
  const bool narrow = v.cache->dtype == DType::bf16;
  if (narrow)
    score<bf16>(scores, q, v, queries);
  else
    score<float>(scores, q, v, queries);
  for (int j = 0; j < queries; ++j) {
    float* weights = scores + j * count;
    const float factor = soften(weights, count);
    if (narrow)
      gather<bf16>(y + j * d, weights, factor, v);
    else
      gather<float>(y + j * d, weights, factor, v);
  }
}

}  // namespace

constexpr AttentionKernels kAttention{prepare, store_head, attend};

}  // namespace tts::TTS_LEVEL

#endif
