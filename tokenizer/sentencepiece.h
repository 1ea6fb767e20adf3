// Models that ship a sentencepiece tokenizer.model instead of a byte-level vocabulary.
#pragma once

#include "tokenizer/added_tokens.h"

#include <memory>
#include <span>

namespace tts {

class SentencePiece {
 public:
  // Pieces that the model declares as control or user-defined are its added tokens: text never yields them.
  SentencePiece(std::string_view model, const std::string& name);
  SentencePiece(SentencePiece&&) noexcept;
  ~SentencePiece();

  int32_t size() const;
  const std::vector<AddedToken>& added() const;
  bool is_ordinary(int32_t id) const;  // some text may yield it
  void encode(std::string_view text, std::vector<int32_t>& ids) const;  // appends
  std::string decode(std::span<const int32_t> ids) const;
  std::string piece(int32_t id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
