#include "base/types.h"

namespace tts {

std::string_view str(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
    case DType::f64:
      return "F64";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::i16:
      return "I16";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      return "BOOL";
    case DType::int8_rows:
      return "INT8_ROWS";
    case DType::int4_blocks:
      return "INT4_BLOCKS";
  }
  return "?";
}

int bits_per_element(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 64;
    case DType::f32:
    case DType::i32:
      return 32;
    case DType::bf16:
    case DType::f16:
    case DType::i16:
      return 16;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
    case DType::int8_rows:
      return 8;
    case DType::int4_blocks:
      return 4;
  }
  return 0;
}

int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t product = 0;
  check(a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product), Exit::bad_input,
        "{}: size does not fit 63 bits: {} * {}", what, a, b);
  return product;
}

int64_t checked_add(int64_t a, int64_t b, std::string_view what) {
  int64_t sum = 0;
  check(a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, &sum), Exit::bad_input,
        "{}: size does not fit 63 bits: {} + {}", what, a, b);
  return sum;
}

std::string str(const Shape& shape) {
  std::string text = "[";
  for (int axis = 0; axis < shape.rank; ++axis) {
    if (axis > 0) text += ',';
    text += format("{}", shape[axis]);
  }
  return text + "]";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int axis = 0; axis < shape.rank; ++axis) count = checked_mul(count, shape[axis], "shape");
  return count;
}

int64_t byte_size(DType dtype, const Shape& shape) {
  return checked_add(checked_mul(element_count(shape), bits_per_element(dtype), "shape"), 7, "shape") / 8;
}

std::string str(const Tensor& tensor) { return format("{}{}", str(tensor.dtype), str(tensor.shape)); }

}  // namespace tts
