// What a tensor is: a view (pointer, element type, shape) that owns nothing; and arithmetic on sizes that
// cannot wrap.
#pragma once

#include "base/error.h"

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tts {

// ---- element types ------------------------------------------------------------------------------

// The upper half of a float. Widening is exact; rounding is to nearest, ties to even.
struct bf16 {
  uint16_t bits;
};
inline float widen(bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline bf16 round_to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return {static_cast<uint16_t>((bits >> 16) | 0x40u)};  // NaN stays NaN
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

enum class DType : uint8_t {
  f32,
  bf16,
  f16,
  f64,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  int8_rows,    // matrix [M,K] of int8, one f32 scale per row
  int4_blocks,  // matrix [M,K] of int4, one f32 scale per 32 weights of a row (kernels/ops.h)
};

std::string_view str(DType dtype);  // "F32", "BF16", ... as safetensors spells them
int bits_per_element(DType dtype);  // 32, 16, ..., 4

// ---- sizes --------------------------------------------------------------------------------------

// Sizes come from strangers' files: every product and sum of them goes through these two. `what` names the
// thing.
int64_t checked_mul(int64_t a, int64_t b, std::string_view what);
int64_t checked_add(int64_t a, int64_t b, std::string_view what);

struct Shape {
  static constexpr int kMaxRank{8};

  std::array<int64_t, kMaxRank> size{};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) {
    for (const int64_t n : sizes) size[static_cast<size_t>(rank++)] = n;
  }
  int64_t operator[](int axis) const { return size[static_cast<size_t>(axis)]; }
  bool operator==(const Shape&) const = default;
};

std::string str(const Shape& shape);  // "[1024,2048]"
int64_t element_count(const Shape& shape);
int64_t byte_size(DType dtype, const Shape& shape);

// ---- tensors ------------------------------------------------------------------------------------

struct Tensor {
  const void* data = nullptr;  // host or device memory, row-major, not owned
  DType dtype = DType::f32;
  Shape shape;
  const float* scales = nullptr;  // int8_rows: [M]; int4_blocks: [M][K/32]

  explicit operator bool() const { return data != nullptr; }
  int64_t rows() const { return shape[0]; }
  int64_t columns() const { return shape[1]; }
  // Rank-1 tensors (norms, biases) are f32 once a model is loaded, whatever the file holds.
  const float* f32() const { return static_cast<const float*>(data); }
};

std::string str(const Tensor& tensor);  // "BF16[512,1024]"

// A visitor of each() lists that puts a prefix before every name: layer.each(m, within("layers.3.", t)).
template <class Visit>
auto within(std::string prefix, Visit& visit) {
  return [prefix = std::move(prefix), &visit](Tensor& tensor, std::string_view name, const Shape& shape) {
    visit(tensor, prefix + std::string(name), shape);
  };
}

// ---- geometry -----------------------------------------------------------------------------------

// One transformer stack; the letters are those of the specification.
struct Dims {
  int H = 0;         // hidden width
  int I = 0;         // MLP width
  int L = 0;         // layers
  int nq = 0;        // query heads
  int nkv = 0;       // key/value heads; query head j uses kv head j / (nq / nkv)
  int d = 0;         // head width; NOT H / nq
  int V = 0;         // rows of the output head (talker: codec vocabulary; predictor: codes per group)
  float eps = 0;     // of every norm
  double theta = 0;  // base of the rotary frequencies
  int window = 0;    // attention window in positions, the own one included; 0: everything before
};

}  // namespace tts
