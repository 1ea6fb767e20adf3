#include "engine/safetensors.h"

#include "base/json.h"
#include "base/limits.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace tts {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the numbers of a safetensors file are read as they lie");

constexpr int64_t kLengthBytes{8};
constexpr DType kStoredTypes[] = {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i64,
                                  DType::i32, DType::i16,  DType::i8,  DType::u8,  DType::boolean};

DType read_dtype(const Json& value) {
  std::string known;
  for (const DType dtype : kStoredTypes) {
    if (value.text() == str(dtype)) return dtype;
    known += (known.empty() ? "" : ", ") + std::string(str(dtype));
  }
  throw Error(Exit::bad_input, "{}: expected one of {}, got {}", value.where(), known, value.brief());
}

Shape read_shape(const Json& value) {
  const std::vector<Json>& sizes = value.items();
  check(static_cast<int64_t>(sizes.size()) <= limits::kTensorRank, Exit::bad_input,
        "{}: expected at most {} axes, got {}", value.where(), limits::kTensorRank.value, sizes.size());
  Shape shape;
  for (const Json& size : sizes) shape.size[static_cast<size_t>(shape.rank++)] = size.integer(0, INT64_MAX);
  return shape;
}

struct Placed {
  StoredTensor stored;
  int64_t begin = 0, end = 0;
};

Placed read_entry(const std::string& name, const Json& entry, int64_t data_bytes, const std::string& path) {
  check(!name.empty() && static_cast<int64_t>(name.size()) <= limits::kTensorNameBytes, Exit::bad_input,
        "{}: expected tensor names of 1..{} bytes, got {}", path, limits::kTensorNameBytes.value,
        name.size());
  entry.allow_only({"dtype", "shape", "data_offsets"});
  Placed placed;
  placed.stored.name = name;
  Tensor& tensor = placed.stored.tensor;
  tensor.dtype = read_dtype(entry.at("dtype"));
  tensor.shape = read_shape(entry.at("shape"));
  const std::vector<Json>& offsets = entry.at("data_offsets").items();
  check(offsets.size() == 2, Exit::bad_input, "{}: expected two offsets, got {}",
        entry.at("data_offsets").where(), offsets.size());
  placed.begin = offsets[0].integer(0, data_bytes);
  placed.end = offsets[1].integer(placed.begin, data_bytes);
  __int128 bits =
      bits_per_element(tensor.dtype);  // 64 bits times eight factors of up to 63 bits: watched at every step
  bool wraps = false;
  for (int axis = 0; axis < tensor.shape.rank && !wraps; ++axis) {
    wraps = __builtin_mul_overflow(bits, static_cast<__int128>(tensor.shape[axis]), &bits);
  }
  const bool zero = std::any_of(tensor.shape.size.begin(), tensor.shape.size.begin() + tensor.shape.rank,
                                [](int64_t n) { return n == 0; });
  const __int128 held = static_cast<__int128>(placed.end - placed.begin) * 8;
  check(zero ? held == 0 : !wraps && bits == held, Exit::bad_input,
        "{}: tensor {}: expected the bytes of {}, got {}", path, name, str(tensor),
        placed.end - placed.begin);
  placed.stored.bytes = placed.end - placed.begin;
  return placed;
}

// The data must be covered without a hole, an overlap or a rest.
void check_cover(const std::vector<Placed>& placed, int64_t data_bytes, const std::string& path) {
  int64_t at = 0;
  for (const Placed& p : placed) {
    check(p.begin == at, Exit::bad_input, "{}: tensor {}: expected its data to begin at {}, got {}", path,
          p.stored.name, at, p.begin);
    at = p.end;
  }
  check(at == data_bytes, Exit::bad_input, "{}: expected {} bytes of tensor data, got {}", path, at,
        data_bytes);
}

void check_metadata(const Json& metadata) {
  for (const auto& [key, value] : metadata.members()) value.text();
}

}  // namespace

std::vector<StoredTensor> parse_safetensors(std::span<const std::byte> file, const std::string& path) {
  const auto size = static_cast<int64_t>(file.size());
  check(size >= kLengthBytes, Exit::bad_input, "{}: expected a safetensors file of at least 8 bytes, got {}",
        path, size);
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const int64_t room = std::min<int64_t>(size - kLengthBytes, limits::kHeaderBytes);
  check(length >= 2 && length <= static_cast<uint64_t>(std::max<int64_t>(room, 0)), Exit::bad_input,
        "{}: header length: expected 2..{}, got {}", path, room, length);
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  check(header.front() == '{', Exit::bad_input, "{}: header: expected it to begin with '{', got byte {}",
        path, static_cast<int>(static_cast<unsigned char>(header.front())));
  const Json json = Json::parse(header, path, limits::kHeaderBytes);
  check(static_cast<int64_t>(json.members().size()) <= limits::kTensors + 1, Exit::bad_input,
        "{}: expected at most {} tensors, got {}", path, limits::kTensors.value, json.members().size());

  const int64_t data_at = kLengthBytes + static_cast<int64_t>(length);
  std::vector<Placed> placed;
  placed.reserve(json.members().size());
  for (const auto& [name, entry] : json.members()) {
    if (name == "__metadata__") {
      check_metadata(entry);
    } else {
      placed.push_back(read_entry(name, entry, size - data_at, path));
    }
  }
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.begin != b.begin ? a.begin < b.begin
                              : a.end < b.end;  // an empty tensor stands before the one that shares its place
  });
  check_cover(placed, size - data_at, path);
  std::vector<StoredTensor> tensors;
  tensors.reserve(placed.size());
  for (Placed& p : placed) {
    p.stored.tensor.data = file.data() + data_at + p.begin;
    tensors.push_back(std::move(p.stored));
  }
  return tensors;
}

std::vector<std::pair<std::string, std::string>> parse_shard_index(std::string_view bytes,
                                                                   const std::string& path) {
  const Json file = Json::parse(bytes, path);
  std::vector<std::pair<std::string, std::string>> shards;
  const auto& map = file.at("weight_map").members();
  check(static_cast<int64_t>(map.size()) <= limits::kTensors, Exit::bad_input,
        "{}: expected at most {} tensors, got {}", path, limits::kTensors.value, map.size());
  for (const auto& [name, shard] : map) {
    const std::string& file_name = shard.text();
    const bool plain = !file_name.empty() && file_name != "." && file_name != ".." &&
                       file_name.size() <= 255 && file_name.find('/') == file_name.npos &&
                       file_name.find('\0') == file_name.npos;
    check(plain, Exit::bad_input, "{}: expected a plain file name, got {}", shard.where(), shard.brief());
    check(static_cast<int64_t>(name.size()) <= limits::kTensorNameBytes, Exit::bad_input,
          "{}: expected tensor names of 1..{} bytes, got {}", path, limits::kTensorNameBytes.value,
          name.size());
    shards.emplace_back(name, file_name);
  }
  return shards;
}

const StoredTensor* TensorTable::find(std::string_view name) const {
  const auto at = by_name.find(name);
  return at == by_name.end() ? nullptr : &tensors[at->second];
}

namespace {

void add_file(TensorTable& table, std::span<const std::byte> bytes, const std::string& path) {
  for (StoredTensor& tensor : parse_safetensors(bytes, path)) {
    tensor.file = table.paths.size();
    table.tensors.push_back(std::move(tensor));
  }
  table.paths.push_back(path);
  check(static_cast<int64_t>(table.tensors.size()) <= limits::kTensors, Exit::bad_input,
        "{}: expected at most {} tensors in all shards, got {}", path, limits::kTensors.value,
        table.tensors.size());
}

void index_names(TensorTable& table) {
  for (size_t i = 0; i < table.tensors.size(); ++i) {
    const StoredTensor& tensor = table.tensors[i];
    const auto [at, fresh] = table.by_name.emplace(tensor.name, i);
    check(fresh, Exit::bad_input, "{}: tensor {}: expected once in all shards, got it in {} too",
          table.paths[tensor.file], tensor.name, table.paths[table.tensors[at->second].file]);
  }
}

}  // namespace

TensorTable open_tensors(const ModelFiles& files, std::string_view folder) {
  const std::string prefix = folder.empty() ? "" : std::string(folder) + "/";
  const std::string single = prefix + "model.safetensors", index = prefix + "model.safetensors.index.json";
  TensorTable table;
  if (files.has(single) || !files.has(index)) {
    table.path = files.path(single);
    add_file(table, files.bytes(single), table.path);
    index_names(table);
    return table;
  }
  table.path = files.path(index);
  const auto shards = parse_shard_index(files.text(index), table.path);
  std::map<std::string_view, size_t> opened;
  for (const auto& [tensor, shard] : shards) {
    if (!opened.emplace(shard, table.paths.size()).second) continue;
    add_file(table, files.shard(folder, shard), files.path(prefix + shard));
  }
  index_names(table);
  for (const auto& [tensor, shard] : shards) {
    const StoredTensor* found = table.find(tensor);
    check(found != nullptr && found->file == opened.at(shard), Exit::bad_input,
          "{}: tensor {}: expected it in {}, got none", table.path, tensor, shard);
  }
  return table;
}

}  // namespace tts
