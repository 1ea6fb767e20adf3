#include "reference_tokenizer.h"

#include "tokenizer_data.h"

#include <optional>
#include <sstream>

namespace tts::test {

namespace {

std::string read_classes() {
  std::string classes(0x110000, '-');
  std::istringstream runs(data_file("unicode-16-classes.txt"));
  size_t begin = 0;
  for (std::string run; runs >> run;) {
    begin += std::stoul(run.substr(1), nullptr, 16);
    std::fill(classes.begin() + static_cast<std::ptrdiff_t>(begin), classes.end(), run[0]);
  }
  return classes;
}

bool is_letter(char32_t c) {
  return unicode_class(c) == 'U' || unicode_class(c) == 'D' || unicode_class(c) == 'B';
}
bool is_number(char32_t c) { return unicode_class(c) == 'N'; }
bool is_newline(char32_t c) { return c == '\r' || c == '\n'; }
bool is_upper(char32_t c) { return std::string_view("UBM").find(unicode_class(c)) != std::string_view::npos; }
bool is_lower(char32_t c) { return std::string_view("DBM").find(unicode_class(c)) != std::string_view::npos; }
bool is_blank(char32_t c) {
  return std::u32string_view(
             U"\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
             U"\u200a\u2028\u2029\u202f\u205f\u3000")
             .find(c) != std::u32string_view::npos;
}
bool is_other(char32_t c) { return !is_blank(c) && !is_letter(c) && !is_number(c); }

struct Splitter {
  std::u32string text;
  bool patched;

  template <class Is>
  size_t run(size_t at, const Is& is) const {
    while (at < text.size() && is(text[at])) ++at;
    return at;
  }

  std::optional<size_t> contraction(size_t i) const {  // A1
    if (text[i] != '\'') return {};
    for (const std::u32string_view ending : {U"s", U"t", U"re", U"ve", U"m", U"ll", U"d"}) {
      size_t k = 0;
      while (k < ending.size() && i + 1 + k < text.size()) {
        char32_t c = text[i + 1 + k];
        if (c >= 'A' && c <= 'Z') c += 32;
        if (c == 0x17f) c = 's';
        if (c != ending[k]) break;
        ++k;
      }
      if (k == ending.size()) return i + 1 + k;
    }
    return {};
  }

  std::optional<size_t> p1(size_t k) const {
    const size_t e = run(k, is_upper);
    for (size_t m = e + 1; m-- > k;)
      if (m < text.size() && is_lower(text[m])) return run(m, is_lower);
    return {};
  }

  std::optional<size_t> p2(size_t k) const {
    const size_t e = run(k, is_upper);
    if (e == k) return {};
    return run(e, is_lower);
  }

  std::optional<size_t> word(size_t i) const {
    const char32_t c = text[i];
    const bool may_lead = !is_newline(c) && !is_letter(c) && !is_number(c);
    if (!patched) {  // A1, A2
      if (const auto end = contraction(i)) return end;
      const size_t k = may_lead ? i + 1 : i;
      if (k < text.size() && is_letter(text[k])) return run(k, is_letter);
      return {};
    }
    for (const auto rule : {&Splitter::p1, &Splitter::p2}) {  // B1, B2
      if (may_lead && i + 1 <= text.size())
        if (const auto end = (this->*rule)(i + 1)) return end;
      if (const auto end = (this->*rule)(i)) return end;
    }
    return {};
  }

  size_t piece(size_t i) const {
    if (const auto end = word(i)) return *end;
    if (is_number(text[i])) return i + 1;  // A3
    const size_t k = text[i] == ' ' ? i + 1 : i;
    if (k < text.size() && is_other(text[k]))  // A4
      return run(run(k, is_other), [&](char32_t c) { return is_newline(c) || (patched && c == '/'); });
    const size_t end = run(i, is_blank);
    for (size_t last = end; last-- > i;)
      if (is_newline(text[last])) return last + 1;  // A5
    if (end == text.size()) return end;             // A6
    return end - i > 1 ? end - 1 : end;             // A7, A8
  }
};

}  // namespace

char unicode_class(char32_t c) {
  static const std::string classes = read_classes();
  return classes[c];
}

std::vector<std::string> reference_split(std::string_view nfc, Pretokenizer pretokenizer) {
  const Splitter splitter{to_utf32(nfc), pretokenizer == Pretokenizer::patched};
  std::vector<std::string> pieces;
  for (size_t i = 0; i < splitter.text.size();) {
    const size_t end = splitter.piece(i);
    pieces.push_back(to_utf8(splitter.text.substr(i, end - i)));
    i = end;
  }
  return pieces;
}

ReferenceTokenizer::ReferenceTokenizer(const std::string& merges) {
  for (const bool first : {true, false})
    for (int b = 0; b < 256; ++b) {
      const std::string printed = stand_in(static_cast<unsigned char>(b));
      if ((printed < "\xc4\x80") == first) ids_.emplace(printed, static_cast<int32_t>(ids_.size()));
    }
  std::istringstream lines(merges);
  for (std::string left, right; lines >> left >> right;) {
    const auto id = static_cast<int32_t>(ids_.size());
    merges_[{ids_.at(left), ids_.at(right)}] = id;
    ids_[left + right] = id;
  }
}

std::vector<int32_t> ReferenceTokenizer::merge(const std::string& piece) const {
  std::vector<int32_t> symbols;
  for (const char c : piece) symbols.push_back(ids_.at(stand_in(static_cast<unsigned char>(c))));
  for (;;) {
    size_t best_at = 0;
    int32_t best = -1;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = merges_.find({symbols[i], symbols[i + 1]});
      if (found == merges_.end() || (best >= 0 && found->second >= best)) continue;
      best = found->second;
      best_at = i;
    }
    if (best < 0) return symbols;
    symbols[best_at] = best;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

std::vector<int32_t> ReferenceTokenizer::encode(std::string_view nfc, Pretokenizer pretokenizer) const {
  std::vector<int32_t> ids;
  for (const std::string& piece : reference_split(nfc, pretokenizer))
    for (const int32_t id : merge(piece)) ids.push_back(id);
  return ids;
}

}  // namespace tts::test
