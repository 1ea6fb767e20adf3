// merges.txt with the vocab.json that belongs to it: whatever is accepted must encode and decode.
#include "fuzz.h"

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/vocabulary_scan.h"

#include <set>

namespace {

std::string quoted(std::string_view token) {
  std::string out = "\"";
  for (const char c : token) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Every line without its blank is a token; a refused merges.txt is refused before this is read.
std::string vocabulary_of(std::string_view merges) {
  std::string json;
  const auto add = [&](std::string_view token, int id) {
    json += (id == 0 ? "{" : ",") + quoted(token) + ":" + std::to_string(id);
  };
  std::string bytes[256];
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(b);
    bytes[tts::id_of_byte(static_cast<unsigned char>(b))] = tts::print_token({&c, 1});
  }
  int id = 0;
  for (const std::string& byte : bytes) add(byte, id++);
  if (merges.starts_with("#version:"))
    merges.remove_prefix(std::min(merges.find('\n'), merges.size() - 1) + 1);
  while (!merges.empty()) {
    const size_t end = std::min(merges.find('\n'), merges.size());
    std::string token(merges.substr(0, end));
    std::erase(token, ' ');
    add(token, id++);
    merges.remove_prefix(std::min(end + 1, merges.size()));
  }
  return json + "}";
}

}  // namespace

TTS_FUZZ(merges) {
  using namespace tts;
  const std::string vocab = vocabulary_of(bytes);
  fuzz::accepts([&] {
    const Tokenizer t = Tokenizer::from_files({vocab, bytes, R"({"added_tokens_decoder": {}})", {}, "m"});
    const std::string text = first_invalid_utf8(bytes) == bytes.npos ? std::string(bytes) : "";
    for (const int32_t id : t.encode(text))
      fuzz::require(id >= 0 && id < t.size(), "an id outside the vocabulary");
    std::set<std::string> pieces;
    for (int32_t id = 0; id < t.size(); ++id)
      fuzz::require(pieces.insert(t.piece(id)).second, "two ids of the same bytes were accepted");
  });
}
