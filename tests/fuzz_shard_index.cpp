#include "fuzz.h"

#include "engine/safetensors.h"

TTS_FUZZ(shard_index) {
  using namespace tts;
  std::vector<std::pair<std::string, std::string>> shards;
  if (!fuzz::accepts([&] { shards = parse_shard_index(bytes, "model.safetensors.index.json"); })) return;
  for (const auto& [tensor, shard] : shards) {
    fuzz::require(!shard.empty() && shard != "." && shard != "..", "a directory was accepted as a shard");
    for (const char c : shard) fuzz::require(c != '/' && c != '\0', "a path was accepted as a shard");
  }
}
