// Sums over a block and the two norms, in one order whatever the number of rows.
#pragma once

#include "kernels/cuda/ptx.h"

#include "kernels/ops.h"

namespace tts::cuda {

constexpr int kWarp{32};

// Floating-point sums are taken by the first four warps of a block of any size: their order, and so every
// bit, is the same in the kernels of one operation and in the kernel of a whole frame.
constexpr int kSumWarps{4};
constexpr int kSumThreads{kSumWarps * kWarp};

// Sums over the first kSumThreads threads of each v[i], for all threads of the block; `scratch` holds N
// floats per summing warp. Warps are added in ascending order.
template <int N>
__device__ void block_sum(float (&v)[N], Shared<float> scratch) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  if (warp < kSumWarps) {
    warp_sum(v);
    if (threadIdx.x % kWarp == 0) {
      for (int i = 0; i < N; ++i) scratch[warp * N + i] = v[i];
    }
  }
  __syncthreads();
  for (int i = 0; i < N; ++i) {
    v[i] = scratch[i];
    for (int w = 1; w < kSumWarps; ++w) v[i] += scratch[w * N + i];
  }
  __syncthreads();
}

struct NormArguments {
  const float* weight = nullptr;
  const float* bias = nullptr;  // null: RMSNorm
  float eps = 0;
};

inline NormArguments arguments_of(const Norm& norm) { return {norm.weight.f32(), norm.bias.f32(), norm.eps}; }

// to[n][H] = norm(x[n][H]) for n < N rows; rows past the last one repeat it. `to` is shared or device memory.
template <int N, class Out>
__device__ void normalize_rows(Out to, const float* x, int rows, const NormArguments& norm, int H,
                               Shared<float> scratch) {
  float mean[N] = {}, square[N] = {};
  const int step = static_cast<int>(blockDim.x), first = static_cast<int>(threadIdx.x);
  const auto row = [&](int n) { return x + static_cast<int64_t>(n < rows ? n : rows - 1) * H; };
  if (norm.bias) {
    for (int i = first; first < kSumThreads && i < H; i += kSumThreads) {
      for (int n = 0; n < N; ++n) mean[n] += row(n)[i];
    }
    block_sum(mean, scratch);
    for (int n = 0; n < N; ++n) mean[n] /= static_cast<float>(H);
  }
  for (int i = first; first < kSumThreads && i < H; i += kSumThreads) {
    for (int n = 0; n < N; ++n) {
      const float v = row(n)[i] - mean[n];
      square[n] = fmaf(v, v, square[n]);
    }
  }
  block_sum(square, scratch);
  for (int n = 0; n < N; ++n) {
    const float factor = 1.0f / sqrtf(square[n] / static_cast<float>(H) + norm.eps);
    if (n >= rows) break;
    for (int i = first; i < H; i += step) {
      const float v = norm.weight[i] * ((row(n)[i] - mean[n]) * factor);
      to[static_cast<int64_t>(n) * H + i] = norm.bias ? v + norm.bias[i] : v;
    }
  }
}

__device__ inline float activate(float x, Act act) {
  switch (act) {
    case Act::none: return x;
    case Act::relu: return x < 0 ? 0.0f : x;  // NaN stays NaN
    case Act::silu: return x / (1.0f + expf(-x));
    case Act::gelu: return 0.5f * x * (1.0f + erff(x * 0.707106781f));
    case Act::tanh: return tanhf(x);
    case Act::sigmoid: return 1.0f / (1.0f + expf(-x));
    case Act::relu_tanh: return tanhf(x < 0 ? 0.0f : x);
  }
  return x;
}

inline unsigned blocks_for(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

}  // namespace tts::cuda
