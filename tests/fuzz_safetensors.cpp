// What is accepted must satisfy the format, recomputed here in 128 bits and without the parser's order of
// checks.
#include "fuzz.h"

#include "engine/safetensors.h"

#include <algorithm>
#include <set>
#include <string>

static constexpr unsigned __int128 kMostBits{static_cast<unsigned __int128>(1) << 70};

TTS_FUZZ(safetensors) {
  using namespace tts;
  const auto file = std::as_bytes(std::span(bytes.data(), bytes.size()));
  std::vector<StoredTensor> tensors;
  if (!fuzz::accepts([&] { tensors = parse_safetensors(file, "fuzz.safetensors"); })) return;
  fuzz::require(bytes.size() >= 10, "a file without a header was accepted");
  uint64_t header = 0;
  for (int i = 7; i >= 0; --i)
    header = header << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  fuzz::require(header <= bytes.size() - 8, "a header beyond the end was accepted");
  __int128 sum = 0;
  std::set<std::string> names;
  for (const StoredTensor& stored : tensors) {
    fuzz::require(names.insert(stored.name).second, "a name was accepted twice");
    const auto* sizes = stored.tensor.shape.size.data();
    const bool empty =
        std::find(sizes, sizes + stored.tensor.shape.rank, 0) != sizes + stored.tensor.shape.rank;
    unsigned __int128 bits = empty ? 0 : static_cast<unsigned>(bits_per_element(stored.tensor.dtype));
    for (int axis = 0; axis < stored.tensor.shape.rank && !empty; ++axis) {
      const auto size = static_cast<unsigned __int128>(sizes[axis]);
      fuzz::require(size <= kMostBits / bits, "a shape beyond all memory was accepted");
      bits *= size;
    }
    fuzz::require(bits == static_cast<unsigned __int128>(stored.bytes) * 8, "bytes do not match the shape");
    const auto* data = static_cast<const std::byte*>(stored.tensor.data);
    fuzz::require(data == file.data() + 8 + header + static_cast<int64_t>(sum),
                  "a hole or an overlap was accepted");
    sum += stored.bytes;
  }
  fuzz::require(sum == static_cast<__int128>(bytes.size()) - 8 - static_cast<__int128>(header),
                "trailing bytes were accepted");
}
