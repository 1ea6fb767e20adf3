#include "engine/tensor_writer.h"

#include "base/file.h"
#include "base/json.h"

#include <algorithm>
#include <cstring>

namespace tts {

void write_safetensors(const std::string& path, std::vector<std::pair<std::string, Tensor>> tensors) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return bits_per_element(a.second.dtype) > bits_per_element(b.second.dtype);
  });
  JsonWriter header;
  header.begin_object();
  int64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t bytes = byte_size(tensor.dtype, tensor.shape);
    header.key(name).begin_object().field("dtype", str(tensor.dtype)).key("shape").begin_array();
    for (int axis = 0; axis < tensor.shape.rank; ++axis) header.value(tensor.shape[axis]);
    header.end_array().key("data_offsets").begin_array().value(at).value(at + bytes).end_array().end_object();
    at = checked_add(at, bytes, name);
  }
  header.end_object();
  std::string text = header.str();
  text.resize((text.size() + 63) / 64 * 64 - 8,
              ' ');  // with the length in front, data begins at a multiple of 64
  if (text.size() < header.str().size()) text.resize(text.size() + 64, ' ');
  std::memcpy(text.data(), header.str().data(), header.str().size());

  FileWriter file(path);
  const auto length = static_cast<uint64_t>(text.size());
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    file.write(tensor.data, static_cast<size_t>(byte_size(tensor.dtype, tensor.shape)));
  }
  file.commit();
}

}  // namespace tts
