// What stands around the library's products: rows rounded to bf16, matrices widened to f32, gate and up
// combined. And the plain product that the emulator runs in place of the library.
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/reduce.h"

namespace tts::cuda {

namespace {

constexpr int kThreads{256};

__device__ inline uint16_t rounded(float v) {  // to nearest even; NaN stays NaN
  const unsigned bits = __float_as_uint(v);
  return static_cast<uint16_t>(
      (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
__device__ inline float widened(uint16_t bits) { return __uint_as_float(static_cast<unsigned>(bits) << 16); }

struct RoundedRow {  // takes f32, keeps bf16
  struct Element {
    uint16_t* at;
    __device__ void operator=(float v) const { *at = rounded(v); }
  };
  uint16_t* at;
  __device__ Element operator[](int64_t i) const { return {at + i}; }
};

__device__ inline int64_t item() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

__global__ void __launch_bounds__(kThreads) round_kernel(uint16_t* to, const float* from, int64_t count) {
  const int64_t i = item();
  if (i < count) to[i] = rounded(from[i]);
}

__global__ void __launch_bounds__(kThreads) widen_kernel(float* to, const uint16_t* from, int64_t count) {
  const int64_t i = item();
  if (i < count) to[i] = widened(from[i]);
}

__global__ void __launch_bounds__(kThreads)
    normalize_rounded_kernel(uint16_t* to, const float* from, NormArguments norm, int H) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * H;
  normalize_rows<1>(RoundedRow{to + row}, from + row, 1, norm, H, shared<float>());
}

__global__ void __launch_bounds__(kThreads)
    combine_kernel(float* y, const float* gate, const float* up, int64_t count) {
  const int64_t i = item();
  if (i < count) y[i] = activate(gate[i], Act::silu) * up[i];
}

#if defined(TTS_EMULATOR)
__global__ void __launch_bounds__(kThreads) plain_product_kernel(MatrixProduct p) {
  const int64_t i = item();
  if (i >= static_cast<int64_t>(p.rows) * p.n) return;
  const int64_t row = i / p.n, column = i % p.n;
  float sum = 0;
  for (int64_t k = 0; k < p.k; ++k) {
    const int64_t at_x = row * p.k + k, at_w = column * p.k + k;
    sum = p.rounded ? fmaf(widened(static_cast<const uint16_t*>(p.x)[at_x]),
                           widened(static_cast<const uint16_t*>(p.w)[at_w]), sum)
                    : fmaf(static_cast<const float*>(p.x)[at_x], static_cast<const float*>(p.w)[at_w], sum);
  }
  float& d = p.d[row * p.stride + column];
  d = p.add ? d + sum : sum;
}
#endif

LaunchShape shape_for(int64_t count) { return {.blocks = blocks_for(count, kThreads), .threads = kThreads}; }

}  // namespace

void round_rows(Queue& q, uint16_t* to, const float* from, int64_t count) {
  launch(q, "round", round_kernel, shape_for(count), to, from, count);
}

void widen(Queue& q, float* to, const uint16_t* from, int64_t count) {
  launch(q, "widen", widen_kernel, shape_for(count), to, from, count);
}

void normalize_rounded(Queue& q, uint16_t* to, const float* from, const Norm& norm, int rows) {
  launch(
      q, "norm", normalize_rounded_kernel,
      {.blocks = static_cast<unsigned>(rows), .threads = kThreads, .shared_bytes = kSumWarps * sizeof(float)},
      to, from, arguments_of(norm), static_cast<int>(norm.weight.shape[0]));
}

void combine(Queue& q, float* y, const float* gate, const float* up, int64_t count) {
  launch(q, "combine", combine_kernel, shape_for(count), y, gate, up, count);
}

#if defined(TTS_EMULATOR)
void plain_product(Queue& q, const MatrixProduct& p) {
  launch(q, "product", plain_product_kernel, shape_for(static_cast<int64_t>(p.rows) * p.n), p);
}
#endif

}  // namespace tts::cuda
