// The first byte chooses the mode, the rest is any text: sentences and chunks follow one another and end
// with it.
#include "fuzz.h"

#include "engine/chunks.h"
#include "tokenizer/tokenizer.h"

#include <iterator>

TTS_FUZZ(split) {
  using namespace tts;
  if (bytes.empty()) return;
  constexpr SplitMode kModes[]{SplitMode::automatic, SplitMode::sentence, SplitMode::paragraph,
                               SplitMode::line, SplitMode::none};
  const SplitMode mode = kModes[static_cast<unsigned char>(bytes[0]) % std::size(kModes)];
  bytes = bytes.substr(1, 4096);
  std::vector<SentenceEnd> sentences;
  const bool valid = first_invalid_utf8(bytes) == bytes.npos;
  fuzz::require(fuzz::accepts([&] { sentences = split_sentences(bytes, "german"); }) == valid,
                "the UTF-8 check and the splitter disagree");
  if (!valid) return;
  uint32_t last = 0;
  for (const SentenceEnd& s : sentences) {
    fuzz::require(s.end > last && s.end <= bytes.size(), "sentences do not follow one another");
    last = s.end;
  }
  fuzz::require(last == bytes.size(), "the sentences end before the text");
  const auto measure = [](std::string_view text) { return static_cast<int64_t>(text.size()); };
  uint32_t at = 0;
  for (const Chunk& c : plan_chunks(bytes, {mode, "auto", measure, 40})) {
    fuzz::require(c.begin == at && c.end > at, "chunks do not follow one another");
    at = c.end;
    fuzz::require(first_invalid_utf8(bytes.substr(c.begin, c.end - c.begin)) == bytes.npos,
                  "a chunk begins inside a character");
  }
  fuzz::require(at == bytes.size(), "the chunks end before the text");
}
