// The input is a lexicon and the text that it is applied to.
#include "fuzz.h"

#include "engine/lexicon.h"
#include "tokenizer/tokenizer.h"

TTS_FUZZ(lexicon) {
  using namespace tts;
  if (bytes.size() > 8192) bytes = bytes.substr(0, 8192);
  fuzz::accepts([&] {
    const Lexicon lexicon = Lexicon::parse(bytes, "l.tsv");
    const std::string spoken = lexicon.apply(bytes);
    fuzz::require(first_invalid_utf8(spoken) == spoken.npos, "the text is not UTF-8");
    fuzz::require(lexicon.size() > 0 || spoken == bytes, "an empty lexicon changed the text");
  });
}
