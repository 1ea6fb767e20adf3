// The inside of a product with a matrix: one warp, R matrix rows, N input rows. Shared by matvec.cu and
// frame.cu, so that both give the same bits.
#pragma once

#include "kernels/cuda/format.h"
#include "kernels/cuda/reduce.h"

namespace tts::cuda {

// Loads of 16 bytes in flight per lane, over the R rows of its warp: 8 warps of a multiprocessor then have 32
// KB under way, 4 MB on 132 of them, which is what hides 0.8 us of latency at 4.8 TB/s.
constexpr int kInFlight{8};
template <int R>
inline constexpr int kAhead = R >= kInFlight ? 1 : kInFlight / R;
constexpr int kLine{128};  // bytes that memory hands over at once

enum class Kind { plain, normed, gated };

struct Product {
  Matrix w[3];                  // stacked; gated: gate and up
  const float* x = nullptr;
  float* y = nullptr;
  const float* bias = nullptr;  // of the output
  const float* scale = nullptr;
  NormArguments norm;
  const float* times = nullptr; // factors of the outputs, laid out like y
  int M = 0, K = 0, rows = 0;
  int stride = 0;               // of the rows of y
  Act act = Act::none;
  bool add = false;
};

// The matrix and the row in it that output row m of a stack means.
__device__ inline const Matrix& find_row(const Product& p, int& m) {
  int i = 0;
  while (i < 2 && m >= p.w[i].rows) m -= p.w[i++].rows;
  return p.w[i];
}

__device__ inline float4 load_x(const float* x) { return load4(x); }
#if defined(TTS_EMULATOR)
__device__ inline float4 load_x(Shared<float> x) { return load4(x); }
#endif

// One warp asks for R rows: they are on their way into the second-level cache while inputs are still made or
// waited for.
template <DType F, int R>
__device__ inline void prefetch_rows(const Matrix* const (&w)[R], const int (&m)[R], int K) {
  const int64_t bytes = row_bytes<F>(K);
  for (int r = 0; r < R; ++r) {
    const char* row = static_cast<const char*>(w[r]->data) + m[r] * bytes;
    for (int64_t at = int64_t{threadIdx.x % kWarp} * kLine; at < bytes; at += kWarp * kLine)
      prefetch_to_l2(row + at);
  }
}

// sum[r][n] += w[r] . x[n] over one piece of this lane
template <DType F, int R, int N, class X>
__device__ void multiply_piece(float (&sum)[R * N], const uint4 (&bits)[R], const Matrix* const (&w)[R],
                               const int (&m)[R], const X (&x)[N], int piece, int pieces) {
  constexpr int C = kPiece<F>;
#pragma unroll
  for (int r = 0; r < R; ++r) {
    float v[C];
    const float scale = F == DType::int4_blocks ? w[r]->scales[int64_t{m[r]} * pieces + piece] : 1.0f;
    decode<F>(v, bits[r], scale);
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int i = 0; i < C; i += 4) {
        const float4 xv = load_x(x[n] + (piece * C + i));
        float& s = sum[r * N + n];
        s = fmaf(v[i], xv.x, s);
        s = fmaf(v[i + 1], xv.y, s);
        s = fmaf(v[i + 2], xv.z, s);
        s = fmaf(v[i + 3], xv.w, s);
      }
    }
  }
}

// sum[r][n] += w[r] . x[n], this lane's pieces
template <DType F, int R, int N, class X>
__device__ void multiply(float (&sum)[R * N], const Matrix* const (&w)[R], const int (&m)[R], const X (&x)[N],
                         int K) {
  const int pieces = K / kPiece<F>, lane = static_cast<int>(threadIdx.x) % kWarp;
  const char* row[R];
#pragma unroll
  for (int r = 0; r < R; ++r) row[r] = static_cast<const char*>(w[r]->data) + m[r] * row_bytes<F>(K);
  constexpr int kSteps{kAhead<R>};
  for (int first = lane; first < pieces; first += kSteps * kWarp) {
    uint4 bits[kSteps][R];
#pragma unroll
    for (int a = 0; a < kSteps; ++a) {
      const int piece = first + a * kWarp;
#pragma unroll
      for (int r = 0; r < R; ++r) {
        if (piece < pieces) bits[a][r] = load_weights(row[r] + int64_t{piece} * 16);
      }
    }
#pragma unroll
    for (int a = 0; a < kSteps; ++a) {
      const int piece = first + a * kWarp;
      if (piece >= pieces) break;
      multiply_piece<F, R, N>(sum, bits[a], w, m, x, piece, pieces);
    }
  }
  if constexpr (F == DType::int8_rows) {
    for (int r = 0; r < R; ++r) {
      for (int n = 0; n < N; ++n) sum[r * N + n] *= w[r]->scales[m[r]];
    }
  }
}

// The same for rows that are not multiples of 16 bytes: lane l takes weights l, l+32, ...
template <DType F, int R, int N, class X>
__device__ void multiply_unaligned(float (&sum)[R * N], const Matrix* const (&w)[R], const int (&m)[R],
                                   const X (&x)[N], int K) {
  for (int k = static_cast<int>(threadIdx.x) % kWarp; k < K; k += kWarp) {
    for (int r = 0; r < R; ++r) {
      const float v = weight_at<F>(*w[r], m[r], k);
      for (int n = 0; n < N; ++n) sum[r * N + n] = fmaf(v, x[n][k], sum[r * N + n]);
    }
  }
}

__device__ inline void store_output(const Product& p, int row, int m, float sum) {
  const int64_t at = int64_t{row} * p.stride + m;
  float* y = p.y + at;
  if (p.bias) sum += p.bias[m];
  if (p.add) *y += (p.scale ? p.scale[m] : 1.0f) * sum;
  else *y = p.times ? activate(sum, p.act) * p.times[at] : activate(sum, p.act);
}

}  // namespace tts::cuda
