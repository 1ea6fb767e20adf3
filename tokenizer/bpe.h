// Merging the bytes of one piece into tokens (spec/text-tokenizer.md section 5).
#pragma once

#include "tokenizer/vocabulary.h"

namespace tts {

// Room that is used again for every piece of a text.
struct MergeScratch {
  struct Symbol {
    int32_t token;
    int32_t merge;  // result of merging with the symbol behind; -1: no merge, or already swallowed
    uint32_t previous, next;
  };
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;  // result << 32 | position: the smallest is the best merge, leftmost on ties
};

// Appends the tokens of `piece`. O(n log n) for a piece of n bytes, no recursion.
void merge_piece(const Vocabulary& vocabulary, std::string_view piece, MergeScratch& scratch,
                 std::vector<int32_t>& ids);

}  // namespace tts
