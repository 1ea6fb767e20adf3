// The safetensors format, little-endian:
//
//   offset   size   content
//   0        8      n, length of the header; 2 <= n <= 100,000,000 and 8 + n <= file size
//   8        n      JSON object, first byte '{', spaces may follow it:
//                     "__metadata__": {string: string, ...}                      may be absent
//                     NAME: {"dtype": "BF16", "shape": [1024, 2048], "data_offsets": [begin, end]}, ...
//   8 + n    rest   the tensors, row-major. Offsets count from here; sorted by `begin` they cover the rest
//   exactly:
//                   the first begins at 0, each begins where the one before ends, the last ends with the file
//
// A sharded model has model.safetensors.index.json beside it: {"weight_map": {NAME: SHARD, ...}}; a shard is
// a plain file name in the same folder. Nothing is copied here: tensors point into the bytes they were read
// from.
#pragma once

#include "base/types.h"
#include "engine/model.h"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct StoredTensor {
  std::string name;
  Tensor tensor;
  int64_t bytes = 0;
  size_t file = 0;  // in TensorTable::paths
};

// In the order of the data.
std::vector<StoredTensor> parse_safetensors(std::span<const std::byte> file, const std::string& path);

// Tensor name -> shard, in the order of the file.
std::vector<std::pair<std::string, std::string>> parse_shard_index(std::string_view bytes,
                                                                   const std::string& path);

struct TensorTable {
  std::string path;  // of the single file, or of the shard index: what messages about the whole name
  std::vector<std::string> paths;  // of every file read
  std::vector<StoredTensor> tensors;
  std::map<std::string_view, size_t> by_name;

  const StoredTensor* find(std::string_view name) const;
};

// model.safetensors of a folder ("" or "speech_tokenizer"), or its shards.
TensorTable open_tensors(const ModelFiles& files, std::string_view folder);

}  // namespace tts
