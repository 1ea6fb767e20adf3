// The specification's hand procedures A1..A8 and B1, B2 and the naive merge loop, as slow as they read.
// Shares no code and no Unicode data with the tokenizer: the classes come from
// tests/data/unicode-16-classes.txt.
#pragma once

#include "tokenizer/tokenizer.h"

#include <map>

namespace tts::test {

// U: Lu Lt   D: Ll   B: Lm Lo   M: marks   N: numbers   -: the rest
char unicode_class(char32_t c);

std::vector<std::string> reference_split(std::string_view nfc, Pretokenizer pretokenizer);

class ReferenceTokenizer {
 public:
  explicit ReferenceTokenizer(const std::string& merges);
  std::vector<int32_t> encode(std::string_view nfc, Pretokenizer pretokenizer) const;

 private:
  std::vector<int32_t> merge(const std::string& piece) const;
  std::map<std::string, int32_t> ids_;  // by printed token
  std::map<std::pair<int32_t, int32_t>, int32_t> merges_;
};

}  // namespace tts::test
