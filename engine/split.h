// Sentences of running text in ten languages. Boundaries come from UAX #29 and are then corrected:
// abbreviations, initials, ordinals, quotes and brackets, hard-wrapped lines, lists, headings. Nothing is
// dropped: every byte belongs to exactly one sentence, blanks to the sentence before them.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tts {

struct SentenceEnd {
  uint32_t end = 0;        // byte offset behind the sentence and the blanks after it
  bool line = false;       // a line break follows
  bool paragraph = false;  // an empty line follows, or the text ends
};

// The last end is text.size(); an empty text has none. `language` as in the checkpoint ("english", ...) or
// "auto". Invalid UTF-8: Exit::bad_input with the byte offset.
std::vector<SentenceEnd> split_sentences(std::string_view text, std::string_view language);

}  // namespace tts
