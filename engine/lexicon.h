// Words and phrases that are spoken differently than they are written.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tts {

// One entry per line: WORD-OR-PHRASE <tab> SPOKEN FORM. Empty lines and lines that begin with # are skipped.
// An entry in lower case matches any case, an entry with a capital only itself. Whole words; the longest
// entry wins; what was put in is not searched again.
class Lexicon {
 public:
  // `origin` is what messages call the file: "FILE: line 3: ...", Exit::bad_input.
  static Lexicon parse(std::string_view tsv, const std::string& origin);
  static Lexicon load(const std::string& path);

  std::string apply(std::string_view text) const;
  size_t size() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace tts
