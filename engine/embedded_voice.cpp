#include "engine/embedded_voice.h"

#include <cstdint>

extern "C" const int64_t tts_embedded_voice[];  // embedded_voice.S

namespace tts {

std::vector<EmbeddedFile> embedded_voice() {
  std::vector<EmbeddedFile> files;
  for (const int64_t* word = tts_embedded_voice; *word != 0; word += 4) {
    const auto there = [](const int64_t* distance) {
      return reinterpret_cast<const char*>(distance) + *distance;
    };
    files.push_back({{there(word), static_cast<size_t>(word[1])},
                     std::as_bytes(std::span(there(word + 2), static_cast<size_t>(word[3])))});
  }
  return files;
}

}  // namespace tts
