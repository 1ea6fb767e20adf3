#include "engine/lexicon.h"

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "engine/unicode.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <unordered_map>

namespace tts {

struct Lexicon::State {
  struct Entry {
    std::u16string spoken;
    int64_t line = 0;
  };
  std::unordered_map<std::u16string, Entry> exact, any_case;
  size_t longest = 0;  // words of the longest entry
};

namespace {

constexpr size_t kMaxWords{16};  // of an entry: bounds the search at every word of the text
constexpr size_t kMaxEntryBytes{1024};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\r')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// Positions where a word or a run of other characters ends, from 0 on.
std::vector<uint32_t> word_edges(std::u16string_view text) {
  std::vector<uint32_t> edges{0};
  for (const uint32_t at : break_positions(text, Break::word)) edges.push_back(at);
  return edges;
}

}  // namespace

Lexicon Lexicon::parse(std::string_view tsv, const std::string& origin) {
  const size_t invalid = first_invalid_utf8(tsv);
  check(invalid == tsv.npos, Exit::bad_input, "{}: byte {}: expected UTF-8", origin, invalid);
  auto state = std::make_shared<State>();
  if (tsv.starts_with("\xef\xbb\xbf")) tsv.remove_prefix(3);
  int64_t line = 1;
  for (; !tsv.empty(); ++line) {
    const size_t end = std::min(tsv.find('\n'), tsv.size());
    const std::string_view row = trimmed(tsv.substr(0, end));
    tsv.remove_prefix(std::min(end + 1, tsv.size()));
    if (row.empty() || row[0] == '#') continue;
    const size_t tab = row.find('\t');
    check(tab != row.npos && row.find('\t', tab + 1) == row.npos, Exit::bad_input,
          "{}: line {}: expected a word, one tab and its spoken form, got \"{}\"", origin, line,
          printable(row.substr(0, 60)));
    const std::string_view word = trimmed(row.substr(0, tab)), spoken = trimmed(row.substr(tab + 1));
    check(!word.empty() && !spoken.empty(), Exit::bad_input,
          "{}: line {}: expected a word and its spoken form, one is empty", origin, line);
    check(row.size() <= kMaxEntryBytes, Exit::bad_input, "{}: line {}: expected at most {} bytes, got {}",
          origin, line, kMaxEntryBytes, row.size());
    const std::u16string key = to_wide(word).units, lower = lower_case(key);
    const size_t words = word_edges(key).size() - 1;
    check(words <= kMaxWords, Exit::bad_input, "{}: line {}: expected at most {} words and marks, got {}",
          origin, line, kMaxWords, words);
    auto& map = key == lower ? state->any_case : state->exact;
    const auto [entry, fresh] = map.try_emplace(key, State::Entry{to_wide(spoken).units, line});
    check(fresh, Exit::bad_input, "{}: line {}: \"{}\" is in line {} already", origin, line, printable(word),
          entry->second.line);
    state->longest = std::max(state->longest, words);
  }
  Lexicon lexicon;
  lexicon.state_ = std::move(state);
  return lexicon;
}

Lexicon Lexicon::load(const std::string& path) {
  return parse(read_text(path, limits::kVocabularyBytes), path);
}

size_t Lexicon::size() const { return state_->exact.size() + state_->any_case.size(); }

std::string Lexicon::apply(std::string_view text) const {
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8", invalid);
  const std::u16string wide = to_wide(text).units, lower = lower_case(wide);
  const std::vector<uint32_t> edges = word_edges(wide);
  std::u16string out;
  bool changed = false;
  for (size_t i = 0; i + 1 < edges.size();) {
    const State::Entry* found = nullptr;
    size_t next = i + 1;
    for (size_t words = std::min(state_->longest, edges.size() - 1 - i); words > 0 && found == nullptr;
         --words) {
      const uint32_t size = edges[i + words] - edges[i];
      const auto exact = state_->exact.find(wide.substr(edges[i], size));
      const auto any_case = state_->any_case.find(lower.substr(edges[i], size));
      found = exact != state_->exact.end()         ? &exact->second
              : any_case != state_->any_case.end() ? &any_case->second
                                                   : nullptr;
      if (found != nullptr) next = i + words;
    }
    if (found != nullptr)
      out += found->spoken;
    else
      out.append(wide, edges[i], edges[next] - edges[i]);
    changed |= found != nullptr;
    i = next;
  }
  return changed ? to_narrow(out) : std::string(text);
}

}  // namespace tts
