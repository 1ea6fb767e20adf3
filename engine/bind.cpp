#include "engine/bind.h"

#include "engine/quantize.h"

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

// A matrix that tts-quantize wrote (engine/quantize.h): I8 [M,K] with scales [M], or U8 [M,K/2] with scales
// [M,K/32].
bool Binder::bind_quantised(Tensor& tensor, const StoredTensor& found, const Shape& shape) const {
  const DType dtype = found.tensor.dtype;
  if (dtype != DType::i8 && dtype != DType::u8) return false;
  const bool nibbles = dtype == DType::u8;
  const Quant quant = nibbles ? Quant::int4 : Quant::int8;
  const std::string& path = table.paths[found.file];
  const DType quantised = quantised_format(found.name, shape, quant);
  check(quantised == (nibbles ? DType::int4_blocks : DType::int8_rows), Exit::bad_input,
        "{}: tensor {}: expected F32, BF16 or F16, got {}", path, found.name, found.tensor);
  const Shape packed = nibbles ? Shape{shape[0], shape[1] / 2} : shape;
  check(found.tensor.shape == packed, Exit::bad_input, "{}: tensor {}: expected {}, got {}", path, found.name,
        packed, found.tensor);
  const Shape wanted = nibbles ? Shape{shape[0], shape[1] / 32} : Shape{shape[0]};
  const std::string scales_name = found.name + std::string(kScalesSuffix);
  const StoredTensor* scales = table.find(scales_name);
  check(scales != nullptr, Exit::bad_input, "{}: tensor {}: expected F32{}, got none", path, scales_name,
        wanted);
  check(scales->tensor.shape == wanted && scales->tensor.dtype == DType::f32, Exit::bad_input,
        "{}: tensor {}: expected F32{}, got {}", path, scales_name, wanted, scales->tensor);
  check(reinterpret_cast<uintptr_t>(scales->tensor.data) % sizeof(float) == 0, Exit::bad_input,
        "{}: tensor {}: its data is not aligned to 4 bytes; write the file again with tts-quantize", path,
        scales_name);
  tensor = {.data = found.tensor.data, .dtype = quantised, .shape = shape,
            .scales = static_cast<const float*>(scales->tensor.data)};
  bound.insert(found.name);
  bound.insert(scales->name);
  bytes += found.bytes + scales->bytes;
  return true;
}

void Binder::operator()(Tensor& tensor, std::string_view name, const Shape& shape) const {
  const StoredTensor* found = table.find(name);
  check(found != nullptr, Exit::bad_input, "{}: tensor {}: expected {}, got none", table.path, name, shape);
  if (bind_quantised(tensor, *found, shape)) return;
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
  if (tensor.scales) return;  // bytes: nothing to align
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
