#include "engine/chunks.h"

#include "engine/unicode.h"

#include <algorithm>

namespace tts {

namespace {

bool is_clause_end(char16_t c) {
  return std::u16string_view(u",;:\uff0c\u3001\uff1b\uff1a\u2014\u2013\u2026\u060c)\uff09\u300d\u300f")
             .find(c) != std::u16string_view::npos;
}

// Byte offsets behind the clauses of `text`: a mark and the blanks after it. "1,000" and "10:30" are not
// clauses.
std::vector<uint32_t> clause_ends(const WideText& wide) {
  std::vector<uint32_t> ends;
  const std::u16string& text = wide.units;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (!is_clause_end(text[i])) continue;
    size_t next = i + 1;
    while (next < text.size() && is_space(text[next])) ++next;
    if (next < text.size() && (next > i + 1 || text[i] >= 0x2000)) ends.push_back(wide.offsets[next]);
    i = next - 1;
  }
  ends.push_back(wide.offsets.back());
  return ends;
}

// Word boundaries that a blank precedes, or that lie between ideographs.
std::vector<uint32_t> word_ends(const WideText& wide) {
  std::vector<uint32_t> ends;
  for (const uint32_t at : break_positions(wide.units, Break::word)) {
    if (at == wide.units.size()) break;
    const char16_t before = wide.units[at - 1], next = wide.units[at];
    if (is_space(next)) continue;
    if (is_space(before) || (is_ideographic(before) && is_ideographic(next)))
      ends.push_back(wide.offsets[at]);
  }
  ends.push_back(wide.offsets.back());
  return ends;
}

std::vector<uint32_t> character_ends(const WideText& wide) {
  std::vector<uint32_t> ends;
  for (const uint32_t at : break_positions(wide.units, Break::grapheme)) ends.push_back(wide.offsets[at]);
  return ends;
}

class Planner {
 public:
  Planner(std::string_view text, const ChunkRules& rules) : text_(text), rules_(rules) {}

  std::vector<Chunk> plan() {
    if (text_.empty()) return {};
    if (rules_.mode == SplitMode::none ||
        (rules_.mode == SplitMode::automatic && cost(0, size()) <= rules_.reach)) {
      add(size(), true);
      return std::move(chunks_);
    }
    for (const SentenceEnd& sentence : split_sentences(text_, rules_.language)) take(sentence);
    return std::move(chunks_);
  }

 private:
  uint32_t size() const { return static_cast<uint32_t>(text_.size()); }
  int64_t cost(uint32_t begin, uint32_t end) const {
    return rules_.measure(text_.substr(begin, end - begin));
  }

  void add(uint32_t end, bool paragraph) {
    chunks_.push_back({begin_, end, cost(begin_, end), paragraph});
    begin_ = open_ = end;
  }

  // begin_..open_ is the chunk so far; the sentence reaches from open_ to its end.
  void take(const SentenceEnd& sentence) {
    if (open_ > begin_ && cost(begin_, sentence.end) > rules_.reach) add(open_, false);
    if (cost(begin_, sentence.end) > rules_.reach) break_up(sentence.end, 0);
    open_ = sentence.end;
    const bool last = sentence.end == size();
    const bool close = last || sentence.paragraph || rules_.mode == SplitMode::sentence ||
                       (rules_.mode == SplitMode::line && sentence.line);
    if (close) add(sentence.end, sentence.paragraph || last);
  }

  // Chunks up to near `end`; what is left behind begin_ is within reach. Levels: clauses, words, characters.
  void break_up(uint32_t end, int level) {
    const uint32_t base = begin_;
    const WideText wide = to_wide(text_.substr(base, end - base));
    const std::vector<uint32_t> ends = level == 0   ? clause_ends(wide)
                                       : level == 1 ? word_ends(wide)
                                                    : character_ends(wide);
    for (size_t i = 0; i < ends.size();) {
      const uint32_t here = base + ends[i];
      if (here > begin_ && cost(begin_, here) > rules_.reach && level < 2) break_up(here, level + 1);
      i = longest_within_reach(ends, base, i) + 1;
      const uint32_t reached = base + ends[i - 1];
      if (reached < end) add(reached, false);
    }
  }

  // The last of `ends` from `first` on that is still within reach of begin_. The cost grows with the text, so
  // doubling steps and a search between them find it with few measurements.
  size_t longest_within_reach(const std::vector<uint32_t>& ends, uint32_t base, size_t first) const {
    const auto fits = [&](size_t i) { return cost(begin_, base + ends[i]) <= rules_.reach; };
    size_t good = first, step = 1;
    while (good + step < ends.size() && fits(good + step)) {
      good += step;
      step *= 2;
    }
    for (; step > 0; step /= 2)
      if (good + step < ends.size() && fits(good + step)) good += step;
    return good;
  }

  std::string_view text_;
  const ChunkRules& rules_;
  uint32_t begin_ = 0, open_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace

std::vector<Chunk> plan_chunks(std::string_view text, const ChunkRules& rules) {
  check(rules.reach > 0 || rules.mode == SplitMode::none, Exit::internal, "chunks: a reach of {}",
        rules.reach);
  return Planner(text, rules).plan();
}

}  // namespace tts
