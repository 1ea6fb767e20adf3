// The tokens of tokenizer_config.json's added_tokens_decoder: control tokens that stand beside the
// vocabulary.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool lstrip = false, rstrip = false;  // a match swallows the white space beside it
  bool normalized = false;              // matched after form C instead of before
  bool single_word = false;             // only between non-word characters; not offered, see match_added
};

// Sorted by id; `first_id` is one past the ordinary vocabulary. `name` is what messages call the file.
std::vector<AddedToken> read_added_tokens(std::string_view config_json, const std::string& name,
                                          int32_t first_id);

// Leftmost match, longest at the same start, of a fixed set of strings.
class AddedMatcher {
 public:
  explicit AddedMatcher(std::vector<const AddedToken*> tokens);

  struct Match {
    const AddedToken* token = nullptr;  // none: no further match
    size_t begin = 0, end = 0;          // white space that it swallows included
  };
  Match find(std::string_view text, size_t from) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;
  std::vector<const AddedToken*> tokens_;  // sorted by content
};

}  // namespace tts
