// Any text in any language: what comes out is text, and what was read is not read again.
#include "fuzz.h"

#include "engine/numbers.h"
#include "tokenizer/tokenizer.h"

TTS_FUZZ(numbers) {
  using namespace tts;
  if (bytes.size() > 4096) bytes = bytes.substr(0, 4096);
  for (const char* language : {"english", "german", "french", "russian", "chinese", "korean"}) {
    std::string read;
    const bool valid = first_invalid_utf8(bytes) == bytes.npos;
    fuzz::require(fuzz::accepts([&] { read = read_numbers(bytes, language); }) == valid,
                  "the UTF-8 check and the reader disagree");
    if (!valid) return;
    fuzz::require(first_invalid_utf8(read) == read.npos, "the words are not UTF-8");
    fuzz::require(bytes.find_first_of("0123456789") != bytes.npos || read == bytes,
                  "text without digits was changed");
  }
}
