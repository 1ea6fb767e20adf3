// The inside of attention: one block, one kv head, one row. Shared by attention.cu, which describes it, and
// frame.cu.
#pragma once

#include "kernels/cuda/reduce.h"

#include <cmath>

namespace tts::cuda {

constexpr int kSpan{128};  // positions of a block, one per thread
constexpr int kSpanWarps{kSpan / kWarp};
static_assert(kSpanWarps == kSumWarps);

struct Attention {
  float* y;
  const float* x;
  const float *q_norm, *k_norm;
  KvCache cache;
  Heads heads;
  const int32_t* position;
  float* partial;     // [rows][nq][spans][d + 2]
  unsigned* arrived;  // [rows][nkv], zero before and after
  int first_row, spans;
  bool append;        // one row: this kernel appends it itself
  float scale;
};

__device__ inline int64_t slot_of(const Attention& a, int64_t position, int head) {
  return (int64_t{head} * a.cache.capacity + position % a.cache.capacity) * a.heads.d;
}

__device__ inline float cached(const void* cache, DType dtype, int64_t at) {
  if (dtype == DType::bf16)
    return __uint_as_float(static_cast<unsigned>(static_cast<const uint16_t*>(cache)[at]) << 16);
  return static_cast<const float*>(cache)[at];
}

__device__ inline void store_cached(void* cache, DType dtype, int64_t at, float v) {
  if (dtype != DType::bf16) {
    static_cast<float*>(cache)[at] = v;
    return;
  }
  const unsigned bits = __float_as_uint(v);  // as round_to_bf16()
  static_cast<uint16_t*>(cache)[at] = static_cast<uint16_t>(
      (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// Norm and rotation of one head by one warp; store(i, value) is called for every channel.
template <class Store>
__device__ void prepare_head(const float* x, const float* weight, const Heads& heads, int64_t position,
                             Store&& store) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, half = heads.d / 2;
  float factor = 1;
  if (weight != nullptr) {
    float square[1] = {};
    for (int i = lane; i < heads.d; i += kWarp) square[0] = fmaf(x[i], x[i], square[0]);
    warp_sum(square);
    factor = 1.0f / sqrtf(square[0] / static_cast<float>(heads.d) + heads.eps);
  }
  const float* cosine = heads.rope + position * heads.d;
  for (int i = lane; i < half; i += kWarp) {
    const float a = weight ? weight[i] * (x[i] * factor) : x[i];
    const float b = weight ? weight[i + half] * (x[i + half] * factor) : x[i + half];
    const float c = cosine[i], s = cosine[half + i];
    store(i, a * c - b * s);
    store(i + half, b * c + a * s);
  }
}

// One warp appends key and value of one kv head of one row.
__device__ inline void append_head(const Attention& a, int row, int head) {
  const Heads& h = a.heads;
  const float* k = a.x + (static_cast<int64_t>(row) * (h.nq + 2 * h.nkv) + h.nq + head) * h.d;
  const float* v = k + static_cast<int64_t>(h.nkv) * h.d;
  const int64_t position = *a.position + row, slot = slot_of(a, position, head);
  prepare_head(k, a.k_norm, h, position,
               [&](int i, float value) { store_cached(a.cache.k, a.cache.dtype, slot + i, value); });
  for (int i = static_cast<int>(threadIdx.x) % kWarp; i < h.d; i += kWarp) {
    store_cached(a.cache.v, a.cache.dtype, slot + i, v[i]);
  }
}

__device__ inline float dot_head(Shared<float> q, const Attention& a, int64_t slot) {
  const int d = a.heads.d;
  float sum = 0;
  if (a.cache.dtype == DType::bf16 && d % 8 == 0) {
    const uint16_t* k = static_cast<const uint16_t*>(a.cache.k) + slot;
    for (int i = 0; i < d; i += 8) {
      const uint4 bits = load_cache(k + i);
      const unsigned words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum = fmaf(q[i + 2 * j], __uint_as_float(words[j] << 16), sum);
        sum = fmaf(q[i + 2 * j + 1], __uint_as_float(words[j] & 0xffff0000u), sum);
      }
    }
    return sum;
  }
  if (a.cache.dtype == DType::f32 && d % 4 == 0) {
    const float* k = static_cast<const float*>(a.cache.k) + slot;
    for (int i = 0; i < d; i += 4) {
      const float4 v = load4(k + i);
      sum = fmaf(q[i], v.x, sum);
      sum = fmaf(q[i + 1], v.y, sum);
      sum = fmaf(q[i + 2], v.z, sum);
      sum = fmaf(q[i + 3], v.w, sum);
    }
    return sum;
  }
  for (int i = 0; i < d; ++i) sum = fmaf(q[i], cached(a.cache.k, a.cache.dtype, slot + i), sum);
  return sum;
}

// Merges the spans of one row: a later span only rescales, so one span alone gives its own bits.
__device__ inline void merge_spans(const Attention& a, int row, int kv, int spans) {
  const Heads& h = a.heads;
  const int group = h.nq / h.nkv;
  for (int item = static_cast<int>(threadIdx.x); threadIdx.x < kSpan && item < group * h.d; item += kSpan) {
    const int head = kv * group + item / h.d, i = item % h.d;
    const float* part = a.partial + (static_cast<int64_t>(row) * h.nq + head) * a.spans * (h.d + 2);
    float largest = -INFINITY, sum = 0, value = 0;
    for (int s = 0; s < spans; ++s) largest = fmaxf(largest, part[s * (h.d + 2)]);
    for (int s = 0; s < spans; ++s) {
      const float factor = expf(part[s * (h.d + 2)] - largest);
      sum += part[s * (h.d + 2) + 1] * factor;
      value += part[s * (h.d + 2) + 2 + i] * factor;
    }
    a.y[((static_cast<int64_t>(a.first_row) + row) * h.nq + head) * h.d + i] = value / sum;
  }
}

// One kv head, one row, the z-th visible span; by the first kSpan threads of a block, barriers by all.
__device__ inline void attend_span(const Attention& a, int kv, int local_row, int z, Shared<float> room) {
  const Heads& h = a.heads;
  const int row = a.first_row + local_row;
  const int group = h.nq / h.nkv, thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  const int64_t last = *a.position + row;
  const int64_t first = h.window > 0 && last >= h.window ? last - h.window + 1 : 0;
  const int64_t span = first / kSpan + z;
  const int spans = static_cast<int>(last / kSpan - first / kSpan) + 1;
  if (z >= spans) return;

  // shared:  q [group][d]   weights [group][kSpan]   totals [group][2]   scratch [kSpanWarps]   flag [1]
  Shared<float> q = room;
  Shared<float> weight = q + group * h.d;
  Shared<float> total = weight + group * kSpan;
  Shared<float> scratch = total + 2 * group;
  Shared<unsigned> flag = shared_cast<unsigned>(scratch + kSpanWarps);
  const float* x = a.x + static_cast<int64_t>(row) * (h.nq + 2 * h.nkv) * h.d;
  for (int g = warp; warp < kSpanWarps && g < group; g += kSpanWarps) {
    prepare_head(x + static_cast<int64_t>(kv * group + g) * h.d, a.q_norm, h, last,
                 [&](int i, float value) { q[g * h.d + i] = value; });
  }
  if (a.append && warp == kSpanWarps - 1 && last / kSpan == span) append_head(a, row, kv);
  __syncthreads();

  const int64_t begin = span * kSpan > first ? span * kSpan : first;
  const int64_t end = (span + 1) * kSpan <= last ? (span + 1) * kSpan : last + 1;
  const int count = static_cast<int>(end - begin);
  for (int g = 0; g < group; ++g) {
    float score = -INFINITY;
    if (thread < count) score = dot_head(q + g * h.d, a, slot_of(a, begin + thread, kv)) * a.scale;
    const float most = warp_max(score);
    if (thread % kWarp == 0 && warp < kSpanWarps) scratch[warp] = most;
    __syncthreads();
    float largest = scratch[0];
    for (int w = 1; w < kSpanWarps; ++w) largest = fmaxf(largest, scratch[w]);
    __syncthreads();
    float sum[1] = {thread < count ? expf(score - largest) : 0.0f};
    if (thread < kSpan) weight[g * kSpan + thread] = sum[0];
    block_sum(sum, scratch);
    if (thread == 0) {
      total[2 * g] = largest;
      total[2 * g + 1] = sum[0];
    }
  }
  __syncthreads();

  for (int item = thread; thread < kSpan && item < group * h.d; item += kSpan) {
    const int g = item / h.d, i = item % h.d, head = kv * group + g;
    float value = 0;
    for (int p = 0; p < count; ++p) {
      value =
          fmaf(weight[g * kSpan + p], cached(a.cache.v, a.cache.dtype, slot_of(a, begin + p, kv) + i), value);
    }
    if (spans == 1) {
      a.y[(static_cast<int64_t>(row) * h.nq + head) * h.d + i] = value / total[2 * g + 1];
      continue;
    }
    float* part = a.partial + ((static_cast<int64_t>(local_row) * h.nq + head) * a.spans + z) * (h.d + 2);
    part[2 + i] = value;
    if (i == 0) {
      part[0] = total[2 * g];
      part[1] = total[2 * g + 1];
    }
  }
  if (spans == 1) return;
  __threadfence();
  __syncthreads();
  unsigned* arrived = a.arrived + local_row * h.nkv + kv;
  if (thread == 0) flag[0] = add_release(arrived, 1);
  __syncthreads();
  if (flag[0] != static_cast<unsigned>(spans) - 1) return;
  __threadfence();
  if (thread == 0) *arrived = 0;  // ready for the next launch
  merge_spans(a, local_row, kv, spans);
}

inline size_t attention_shared_bytes(const Heads& h) {
  return static_cast<size_t>(h.nq / h.nkv * (h.d + kSpan + 2) + kSpanWarps + 1) * sizeof(float);
}

}  // namespace tts::cuda
