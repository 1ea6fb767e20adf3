// SSML and pauses: whatever is accepted gives text of its own and pauses within their limit.
#include "fuzz.h"

#include "base/limits.h"
#include "engine/markup.h"
#include "tokenizer/tokenizer.h"

TTS_FUZZ(markup) {
  using namespace tts;
  const auto language_of = [](std::string_view code) {
    return code == "de" ? std::string("german") : std::string();
  };
  for (const bool ssml : {true, false}) {
    std::vector<SpeechPart> parts;
    if (!fuzz::accepts([&] {
          parts = ssml ? parse_ssml(bytes, {"english", language_of}) : parse_pauses(bytes);
        }))
      continue;
    size_t size = 0;
    for (const SpeechPart& part : parts) {
      fuzz::require(part.pause_ms >= 0 && part.pause_ms <= limits::kPauseMs, "a pause beyond its limit");
      fuzz::require(first_invalid_utf8(part.text) == part.text.npos, "the text is not UTF-8");
      size += part.text.size();
    }
    fuzz::require(ssml || size <= bytes.size(), "pauses made text longer");
  }
}
