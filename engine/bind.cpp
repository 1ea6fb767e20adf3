#include "engine/bind.h"

#include <bit>
#include <cstring>

namespace tts {

namespace {

float widen_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = bits >> 10 & 0x1Fu, fraction = bits & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24, exact in f32
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);  // bias 127 instead of 15
}

}  // namespace

void Binder::operator()(Tensor& tensor, std::string_view name, const Shape& shape) const {
  const StoredTensor* found = table.find(name);
  check(found != nullptr, Exit::bad_input, "{}: tensor {}: expected {}, got none", table.path, name, shape);
  const Tensor& stored = found->tensor;
  const std::string& path = table.paths[found->file];
  check(stored.shape == shape, Exit::bad_input, "{}: tensor {}: expected {}, got {}", path, name, shape,
        stored);
  check(stored.dtype == DType::f32 || stored.dtype == DType::bf16 || stored.dtype == DType::f16,
        Exit::bad_input, "{}: tensor {}: expected F32, BF16 or F16, got {}", path, name, stored);
  tensor = stored;
  bound.insert(found->name);
  bytes += found->bytes;
}

void Converter::operator()(Tensor& tensor, std::string_view, const Shape&) const {
  const bool to_f32 = tensor.dtype == DType::f16 || (tensor.shape.rank <= 1 && tensor.dtype != DType::f32);
  const auto unit = static_cast<size_t>(bits_per_element(tensor.dtype) / 8);
  if (!to_f32 && reinterpret_cast<uintptr_t>(tensor.data) % unit == 0) return;
  const auto count = static_cast<size_t>(element_count(tensor.shape));
  const auto* from = static_cast<const std::byte*>(tensor.data);
  owned.push_back(std::make_unique_for_overwrite<std::byte[]>(count * (to_f32 ? sizeof(float) : unit)));
  tensor.data = owned.back().get();
  if (!to_f32) {
    std::memcpy(owned.back().get(), from, count * unit);
    return;
  }
  auto* to = reinterpret_cast<float*>(owned.back().get());
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
    to[i] = tensor.dtype == DType::f16 ? widen_f16(bits) : widen(bf16{bits});
  }
  tensor.dtype = DType::f32;
}

}  // namespace tts
