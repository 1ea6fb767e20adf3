// Weights in the order the operations read them; the inverse of nothing, the model files keep theirs.
#include "kernels/ops.h"

#include <algorithm>
#include <cmath>

namespace tts {

namespace {

float widen_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u, fraction = bits & 1023u;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

struct Half {
  uint16_t bits;
};

float element(const Tensor& tensor, int64_t at) {
  switch (tensor.dtype) {
    case DType::f32: return tensor.f32()[at];
    case DType::bf16: return widen(static_cast<const bf16*>(tensor.data)[at]);
    case DType::f16: return widen_half(static_cast<const uint16_t*>(tensor.data)[at]);
    default: throw Error(Exit::internal, "weights to pack: expected F32, BF16 or F16, got {}", str(tensor));
  }
}

float read(float value) { return value; }
float read(bf16 value) { return widen(value); }
float read(Half value) { return widen_half(value.bits); }

// Calls pack with the elements in their stored type, so that no inner loop asks for it.
template <class Pack>
void with_elements(const Tensor& weight, const Pack& pack) {
  switch (weight.dtype) {
    case DType::f32: return pack(static_cast<const float*>(weight.data));
    case DType::bf16: return pack(static_cast<const bf16*>(weight.data));
    case DType::f16: return pack(static_cast<const Half*>(weight.data));
    default: throw Error(Exit::internal, "weights to pack: expected F32, BF16 or F16, got {}", str(weight));
  }
}

// A transposition in tiles: reads whole cache lines of kTileColumns floats from kTileOut rows and writes runs
// of kTileOut floats. Row by row every element would touch another page: 0.46 s of processor time for the
// published decoder, not 0.23.
constexpr int64_t kTileOut{64};
constexpr int64_t kTileColumns{16};

template <class T>
void pack_tile(float* packed, const T* from, const Shape& s, int64_t first_out, int64_t first_column) {
  const int64_t out = s[0], in = s[1], taps = s[2], columns = in * taps;
  const int64_t outs = std::min(kTileOut, out - first_out),
                end = std::min(first_column + kTileColumns, columns);
  for (int64_t c = first_column; c < end; ++c) {
    float* to = packed + (c % taps * in + c / taps) * out + first_out;
    const T* column = from + first_out * columns + c;
    for (int64_t o = 0; o < outs; ++o) to[o] = read(column[o * columns]);
  }
}

}  // namespace

void pack_conv(float* packed, const Tensor& weight) {
  const Shape& s = weight.shape;
  with_elements(weight, [&](const auto* from) {
    for (int64_t o = 0; o < s[0]; o += kTileOut) {
      for (int64_t c = 0; c < s[1] * s[2]; c += kTileColumns) pack_tile(packed, from, s, o, c);
    }
  });
}

// Output row t*stride + r takes tap r of input row t and tap r + stride of input row t - 1; the newest row is
// the last tap.
void pack_transposed(float* packed, const Tensor& weight, int stride) {
  const int64_t in = weight.shape[0], out = weight.shape[1], kernel = weight.shape[2];
  check(stride > 0 && (kernel == stride || kernel == 2 * stride), Exit::internal,
        "transposed convolution: expected a kernel of {} or {} taps, got {}", stride, 2 * stride, kernel);
  const int64_t taps = kernel / stride;
  with_elements(weight, [&](const auto* from) {
    for (int64_t i = 0; i < in; ++i, from += out * kernel) {
      for (int64_t k = 0; k < kernel; ++k) {
        const int64_t tap = taps - 1 - k / stride;
        float* to = packed + (tap * in + i) * (stride * out) + k % stride * out;
        for (int64_t o = 0; o < out; ++o) to[o] = read(from[o * kernel + k]);
      }
    }
  });
}

// spec/talker.md section 5: w[i] = theta^(-2i/d). The power and its reciprocal are rounded to f32 one after
// the other, so is the angle; cosine and sine of that f32 angle are correctly rounded.
void fill_rope(float* table, int positions, int d, double theta) {
  const int half = d / 2;
  for (int i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(d);
    const float power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    const float frequency = 1.0f / power;
    for (int p = 0; p < positions; ++p) {
      const float angle = static_cast<float>(p) * frequency;
      table[int64_t{p} * d + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      table[int64_t{p} * d + half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void widen_row(float* out, const Tensor& matrix, int64_t row) {
  const int64_t K = matrix.columns();
  if (matrix.dtype == DType::int8_rows) {
    const int8_t* weights = static_cast<const int8_t*>(matrix.data) + row * K;
    for (int64_t i = 0; i < K; ++i) out[i] = static_cast<float>(weights[i]) * matrix.scales[row];
  } else if (matrix.dtype == DType::int4_blocks) {
    const uint8_t* bytes = static_cast<const uint8_t*>(matrix.data) + row * K / 2;
    for (int64_t i = 0; i < K; ++i) {
      const uint8_t byte = bytes[i / 32 * 16 + i % 16];
      const int nibble = i % 32 < 16 ? byte & 15 : byte >> 4;
      out[i] = static_cast<float>(nibble - 8) * matrix.scales[(row * K + i) / 32];
    }
  } else {
    for (int64_t i = 0; i < K; ++i) out[i] = element(matrix, row * K + i);
  }
}

}  // namespace tts
