#include "fuzz.h"

#include "tokenizer/tokenizer.h"

TTS_FUZZ(sentencepiece) {
  using namespace tts;
  fuzz::accepts([&] {
    if (bytes.empty()) return;
    const Tokenizer t = Tokenizer::from_files({{}, {}, {}, bytes, "m"});
    for (const char* text : {"", "hello world!", "<x>", "\u4f60 \ufb01", "\n\n"})
      for (const int32_t id : t.encode(text))
        fuzz::require(!t.is_added(id) && id >= 0 && id < t.size(), "a control id");
  });
}
