// vocab.json beside three merges: the only files that may pass spell out exactly that vocabulary.
#include "fuzz.h"

#include "tokenizer/tokenizer.h"

TTS_FUZZ(vocabulary) {
  using namespace tts;
  const std::string merges = "\u0120 \u0120\na b\nab c\n";
  fuzz::accepts([&] {
    const Tokenizer t = Tokenizer::from_files({bytes, merges, R"({"added_tokens_decoder": {}})", {}, "m"});
    fuzz::require(t.size() == 259, "a vocabulary of another size was accepted");
    fuzz::require(t.encode("abc  ") == std::vector<int32_t>{258, 256}, "another vocabulary was accepted");
  });
}
