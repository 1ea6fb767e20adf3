// The first byte chooses the language, the rest is any text: what comes out is text, and text without digits
// stays as it was.
#include "fuzz.h"

#include "engine/numbers.h"
#include "tokenizer/tokenizer.h"

#include <iterator>

TTS_FUZZ(numbers) {
  using namespace tts;
  if (bytes.empty()) return;
  constexpr const char* kLanguages[]{"english",    "german",  "french",  "spanish",  "italian",
                                        "portuguese", "russian", "chinese", "japanese", "korean"};
  const char* language = kLanguages[static_cast<unsigned char>(bytes[0]) % std::size(kLanguages)];
  bytes = bytes.substr(1, 4096);
  std::string read;
  const bool valid = first_invalid_utf8(bytes) == bytes.npos;
  fuzz::require(fuzz::accepts([&] { read = read_numbers(bytes, language); }) == valid,
                "the UTF-8 check and the reader disagree");
  if (!valid) return;
  fuzz::require(first_invalid_utf8(read) == read.npos, "the words are not UTF-8");
  fuzz::require(bytes.find_first_of("0123456789") != bytes.npos || read == bytes,
                "text without digits was changed");
}
