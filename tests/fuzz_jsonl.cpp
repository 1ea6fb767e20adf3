// JSON lines: what is taken is UTF-8, and no line takes more memory than it has bytes.
#include "fuzz.h"
#include "tokenizer/tokenizer.h"
#include "tools/items.h"

#include <algorithm>

TTS_FUZZ(jsonl) {
  using namespace tts;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = bytes.substr(at, end - at);
    at = end + 1;
    fuzz::accepts([&] {
      const Item item = parse_json_item(line, "line");
      fuzz::require(first_invalid_utf8(item.text) == std::string_view::npos,
                    "text that is not UTF-8 was taken");
      fuzz::require(item.text.size() <= line.size(), "more text than the line has");
      fuzz::require(!item.seed || *item.seed >= 0, "a negative seed was taken");
    });
  }
}
