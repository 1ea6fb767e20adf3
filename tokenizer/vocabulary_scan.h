// The entries of vocab.json, one after the other, without a tree.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tts {

struct VocabularyEntry {
  std::string_view token;  // as printed in the file, escapes resolved
  int64_t id;              // an integer; numbers beyond int64 are refused before
};

// Checked UTF-8 in. Anything but one flat object of integers is Exit::bad_input with the byte offset.
void scan_vocabulary(std::string_view text, const std::string& name,
                     const std::function<void(const VocabularyEntry&)>& visit);

// Bytes of a token as the files print them.
std::string print_token(std::string_view bytes);

}  // namespace tts
