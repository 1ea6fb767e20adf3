// What is spoken in one go: sentences packed as long as they stay within reach of the model.
#pragma once

#include "engine/split.h"

#include <functional>
#include <string>

namespace tts {

enum class SplitMode : uint8_t { automatic, sentence, paragraph, line, none };

struct ChunkRules {
  SplitMode mode = SplitMode::automatic;
  std::string language = "auto";
  // Cost of a piece of text and the most that one chunk may cost. Text never gets cheaper by growing.
  std::function<int64_t(std::string_view)> measure;
  int64_t reach = 0;
};

struct Chunk {
  uint32_t begin = 0, end = 0;  // bytes; chunks follow one another without a gap
  int64_t cost = 0;
  bool ends_paragraph = false;
};

// `automatic` is one chunk when the text is within reach, otherwise as many whole sentences per chunk as fit,
// never across paragraphs. A sentence beyond reach is broken at clauses, then at words, then between
// characters. `none` is one chunk, whatever it costs.
std::vector<Chunk> plan_chunks(std::string_view text, const ChunkRules& rules);

}  // namespace tts
