// Text -> ids of the checkpoint's vocabulary (spec/text-tokenizer.md). Ordinary text never yields the id of
// an added token: control ids are inserted by number. The official behaviour (strings of added tokens become
// ids) is a separate call.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

enum class Pretokenizer : uint8_t { standard, patched };

class Tokenizer {
 public:
  // Reads vocab.json, merges.txt and tokenizer_config.json of a model directory, or tokenizer.model.
  static Tokenizer load(const std::string& directory, Pretokenizer pretokenizer = Pretokenizer::standard);
  // The same from memory; `origin` is what messages call it.
  struct Files {
    std::string_view vocab_json, merges_txt, tokenizer_config_json;
    std::string_view sentencepiece_model;  // not empty: instead of the first two, and the third may be empty
    std::string origin;
  };
  static Tokenizer from_files(const Files& files, Pretokenizer pretokenizer = Pretokenizer::standard);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Invalid UTF-8: Exit::bad_input with the byte offset.
  std::vector<int32_t> encode(std::string_view text) const;  // never an added token
  std::vector<int32_t> encode_with_control(
      std::string_view text) const;                        // official: added tokens are matched first
  std::string decode(std::span<const int32_t> ids) const;  // bytes; the inverse of encode after NFC
  std::string piece(int32_t id) const;                     // bytes of one id; added tokens by their string

  int32_t size() const;  // one past the largest id, added tokens included
  bool is_added(int32_t id) const;
  int32_t added_id(std::string_view content) const;  // -1: there is none
  Pretokenizer pretokenizer() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Splits NFC text into the pieces that merges never cross; offsets of their ends. Declared for tests and
// timing.
std::vector<uint32_t> split_pieces(std::string_view nfc_text, Pretokenizer pretokenizer);

// "PCRE2 10.42 (Unicode 14.0.0), utf8proc 2.8.0 (Unicode 15.0.0)": the libraries that know the characters.
std::string unicode_versions();

// Offset of the first byte that is not valid UTF-8 (overlong forms and surrogates are invalid), or npos.
size_t first_invalid_utf8(std::string_view text);

// Something can be spoken: a letter, a digit or a symbol; white space, punctuation, marks and controls alone
// cannot.
bool is_speakable(std::string_view text);

}  // namespace tts
