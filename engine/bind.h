// The two visitors that turn each() lists into usable tensors: Binder finds and compares, Converter copies
// what cannot be used as it lies in the file.
#pragma once

#include "engine/safetensors.h"

#include <cstddef>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

namespace tts {

// Name -> view of the mapped bytes; nothing is allocated. A tensor that is missing or of another shape is
// refused.
struct Binder {
  const TensorTable& table;
  std::set<std::string_view>& bound;  // the names visited; views into the table
  int64_t& bytes;                     // sum as stored

  void operator()(Tensor& tensor, std::string_view name, const Shape& shape) const;
  bool bind_quantised(Tensor& tensor, const StoredTensor& found, const Shape& shape) const;
};

// Rank-1 tensors and F16 become f32, misaligned ones are moved; the rest stays where it was mapped.
struct Converter {
  std::vector<std::unique_ptr<std::byte[]>>& owned;

  void operator()(Tensor& tensor, std::string_view name, const Shape& shape) const;
};

}  // namespace tts
