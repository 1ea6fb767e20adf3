// Any bytes as text: refused when not UTF-8, otherwise split without a gap, never a control id, decoded to
// form C.
#include "fuzz.h"

#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/vocabulary_scan.h"

namespace {

constexpr const char* kPairs[]{
    "\u0120 \u0120",       "e r",          "i n", "\u0120 t", "h e", "in g", "< |", "l l",
    "\u0120 \u0120\u0120", "\u00e4 \u00bd"};

tts::Tokenizer small_tokenizer(tts::Pretokenizer pretokenizer) {
  std::string merges, tail, tokens[256], vocab = "{";
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(b);
    tokens[tts::id_of_byte(static_cast<unsigned char>(b))] =
        (c == '"' || c == '\\' ? "\\" : "") + tts::print_token({&c, 1});
  }
  for (int id = 0; id < 256; ++id) vocab += '"' + tokens[id] + "\":" + std::to_string(id) + ',';
  int id = 256;
  for (std::string pair : kPairs) {
    merges += pair + "\n";
    pair.erase(pair.find(' '), 1);
    vocab += '"' + pair + "\":" + std::to_string(id++) + ',';
  }
  vocab.back() = '}';
  return tts::Tokenizer::from_files(
      {vocab,
       merges,
       R"({"added_tokens_decoder": {"300": {"content": "<|x|>"}, "301": {"content": "e"}}})",
       {},
       "m"},
      pretokenizer);
}

}  // namespace

TTS_FUZZ(encode) {
  using namespace tts;
  static const Tokenizer standard = small_tokenizer(Pretokenizer::standard),
                         patched = small_tokenizer(Pretokenizer::patched);
  const bool valid = first_invalid_utf8(bytes) == bytes.npos;
  for (const Tokenizer* t : {&standard, &patched}) {
    std::vector<int32_t> ids;
    fuzz::require(fuzz::accepts([&] { ids = t->encode(bytes); }) == valid,
                  "the UTF-8 check and encode disagree");
    if (!valid) return;
    const std::string nfc = to_nfc(bytes);
    fuzz::require(!is_surely_nfc(bytes) || nfc == bytes, "form C changed a text that was taken as normal");
    fuzz::require(to_nfc(nfc) == nfc, "form C is not stable");
    fuzz::require(t->decode(ids) == nfc, "decoding does not give the text back");
    for (const int32_t id : ids) fuzz::require(!t->is_added(id), "text became a control id");
    size_t last = 0;
    for (const uint32_t end : split_pieces(nfc, t->pretokenizer())) {
      fuzz::require(end > last && end <= nfc.size(), "pieces do not follow one another");
      last = end;
    }
    fuzz::require(last == nfc.size(), "the pieces end before the text");
    t->encode_with_control(bytes);
  }
}
