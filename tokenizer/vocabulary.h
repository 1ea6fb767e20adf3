// The tables of a byte-level vocabulary. Ids follow from merges.txt alone: 0..255 are the bytes in the order
// of their printable stand-ins, 256 + n is the result of merge n. vocab.json says the same a second time and
// is checked against it.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

inline constexpr int32_t kByteTokens{256};

struct Vocabulary {
  std::string bytes;             // all tokens, one behind the other
  std::vector<uint32_t> begins;  // [size + 1]

  // Merges by their left token, each group sorted by the right one: a lookup is a search in one small group,
  // and no choice of pairs in a stranger's file makes it slow.
  struct Merge {
    int32_t right, result;
  };
  std::vector<uint32_t> groups;  // [size + 1]
  std::vector<Merge> merges;

  int32_t size() const { return static_cast<int32_t>(begins.size()) - 1; }
  std::string_view token(int32_t id) const {
    const auto i = static_cast<size_t>(id);
    return std::string_view(bytes).substr(begins[i], begins[i + 1] - begins[i]);
  }
  int32_t merged(int32_t left, int32_t right) const;  // -1: not a merge
};

int32_t id_of_byte(unsigned char byte);

// `vocab_name` and `merges_name` are what messages call the files.
Vocabulary read_vocabulary(std::string_view vocab_json, const std::string& vocab_name,
                           std::string_view merges_txt, const std::string& merges_name);

}  // namespace tts
