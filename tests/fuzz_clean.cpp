// Cleaning only takes away, and never half of a character.
#include "fuzz.h"

#include "engine/clean.h"
#include "tokenizer/tokenizer.h"

TTS_FUZZ(clean) {
  using namespace tts;
  const bool valid = first_invalid_utf8(bytes) == bytes.npos;
  for (const char* rules : {"markdown", "urls", "emoji", "code", "markdown,urls,emoji,code"}) {
    std::string out;
    fuzz::require(fuzz::accepts([&] { out = clean_text(bytes, parse_clean_rules(rules)); }) == valid,
                  "the UTF-8 check and the cleaner disagree");
    if (!valid) return;
    fuzz::require(out.size() <= bytes.size(), "the text grew");
    fuzz::require(first_invalid_utf8(out) == out.npos, "the text is not UTF-8");
  }
}
