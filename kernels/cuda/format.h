// Weights as they lie in memory -> f32. A piece is 16 bytes: 4 f32, 8 bf16, 16 int8 or 32 int4 weights.
//
//   int8_rows    [M][K] int8                      scales [M]
//   int4_blocks  [M][K/32][16 bytes]              scales [M][K/32]; byte j of a block: weight j low, weight
//                                                 j+16 high, +8 each
#pragma once

#include "kernels/cuda/ptx.h"

#include "base/types.h"

namespace tts::cuda {

struct Matrix {  // the part of a Tensor that kernels need
  const void* data = nullptr;
  const float* scales = nullptr;
  int rows = 0, columns = 0;
};

inline Matrix matrix_of(const Tensor& t) {
  return {t.data, t.scales, static_cast<int>(t.rows()), static_cast<int>(t.columns())};
}

template <DType F>
inline constexpr int kPiece = F == DType::f32 ? 4 : F == DType::bf16 ? 8 : F == DType::int8_rows ? 16 : 32;

template <DType F>
__device__ inline int64_t row_bytes(int64_t K) {
  return K * 16 / kPiece<F>;
}

template <DType F>
__device__ inline void decode(float (&v)[kPiece<F>], uint4 bits, float block_scale) {
  const unsigned words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (F == DType::f32) {
      v[i] = __uint_as_float(words[i]);
    } else if constexpr (F == DType::bf16) {
      v[2 * i] = __uint_as_float(words[i] << 16);
      v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    } else if constexpr (F == DType::int8_rows) {
#pragma unroll
      for (int b = 0; b < 4; ++b) v[4 * i + b] = static_cast<float>(static_cast<int8_t>(words[i] >> (8 * b)));
    } else {
#pragma unroll
      for (int b = 0; b < 4; ++b) {
        v[4 * i + b] = static_cast<float>(static_cast<int>(words[i] >> (8 * b) & 15u) - 8) * block_scale;
        v[16 + 4 * i + b] =
            static_cast<float>(static_cast<int>(words[i] >> (8 * b + 4) & 15u) - 8) * block_scale;
      }
    }
  }
}

// One weight, exactly as widen_row() gives it, for rows that are not multiples of 16 bytes and for tables.
template <DType F>
__device__ inline float weight_at(const Matrix& w, int64_t row, int64_t k) {
  const int64_t K = w.columns;
  if constexpr (F == DType::f32) return static_cast<const float*>(w.data)[row * K + k];
  if constexpr (F == DType::bf16) {
    return __uint_as_float(static_cast<unsigned>(static_cast<const uint16_t*>(w.data)[row * K + k]) << 16);
  }
  if constexpr (F == DType::int8_rows) {
    return static_cast<float>(static_cast<const int8_t*>(w.data)[row * K + k]) * w.scales[row];
  }
  if constexpr (F == DType::int4_blocks) {
    const uint8_t byte = static_cast<const uint8_t*>(w.data)[row * K / 2 + k / 32 * 16 + k % 16];
    return static_cast<float>((k % 32 < 16 ? byte & 15 : byte >> 4) - 8) * w.scales[(row * K + k) / 32];
  }
  return 0;
}

__device__ inline float weight_at(const Matrix& w, DType dtype, int64_t row, int64_t k) {
  switch (dtype) {
    case DType::bf16: return weight_at<DType::bf16>(w, row, k);
    case DType::int8_rows: return weight_at<DType::int8_rows>(w, row, k);
    case DType::int4_blocks: return weight_at<DType::int4_blocks>(w, row, k);
    default: return weight_at<DType::f32>(w, row, k);
  }
}

// Calls f.template operator()<F>() for the format of a matrix.
template <class Function>
void for_format(DType dtype, Function&& f) {
  switch (dtype) {
    case DType::f32: return f.template operator()<DType::f32>();
    case DType::bf16: return f.template operator()<DType::bf16>();
    case DType::int8_rows: return f.template operator()<DType::int8_rows>();
    case DType::int4_blocks: return f.template operator()<DType::int4_blocks>();
    default: throw Error(Exit::internal, "matrix: expected f32, bf16, int8 or int4, got {}", dtype);
  }
}

}  // namespace tts::cuda
