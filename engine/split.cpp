// Every boundary that UAX #29 proposes is moved behind closing quotes and blanks and then judged by what
// stands before and after it:
//
//     ... the U.S. |"The Army" ...          before: [first, last)  term: '.'  closers: none
//          ^^^^^^^ ^                        after:  from `next` on, quotes skipped: `letter`
//
// No rule looks further than kReach units, so the time is linear.
#include "engine/split.h"

#include "engine/sentence_tables.h"
#include "engine/unicode.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>

namespace tts {

namespace {

constexpr size_t kReach{
    300};  // longest bracket that holds a sentence together, and the longest word looked at
constexpr size_t kShortLine{
    45};  // columns: a shorter line without a full stop was not wrapped, it ends there
constexpr size_t kSpeechReach{8};  // characters between a Chinese quotation and its verb of speech

// What the rules ask of every character, one bit each, instead of a search through a list each time: a third
// of the time of a megabyte.
enum Class : uint8_t {
  kTerminator = 1,
  kWideTerminator = 2,
  kCloser = 4,
  kWideCloser = 8,
  kCertainCloser = 16,
  kOpener = 32,
  kDash = 64,
  kContinuation = 128
};
constexpr auto kClasses = [] {
  std::array<uint8_t, 0x10000> all{};
  const auto add = [&](Class kind, std::u16string_view characters) {
    for (const char16_t c : characters) all[c] |= kind;
  };
  add(kTerminator, u".!?\u2026\u3002\uff01\uff1f\uff0e\uff61\u0964\u203c\u2047\u2048\u2049\u061f\u06d4");
  add(kWideTerminator, u"\u3002\uff01\uff1f\uff0e\uff61");
  add(kCloser, u"\"')]}\u00bb\u2019\u201d\u203a\u300d\u300f\u3011\u300b\u3009\uff09\uff3d\u201c*_");
  add(kWideCloser, u"\u300d\u300f\u3011\u300b\u3009\uff09\uff3d\u201d\u2019");
  add(kCertainCloser, u")]}\u00bb\u201d\u203a\u300d\u300f\u3011\u300b\u3009\uff09\uff3d");
  add(kOpener,
      u"\"'([{\u00ab\u2018\u201c\u201e\u201a\u2039\u300c\u300e\u3010\u300a\u3008\uff08\u00a1\u00bf*_");
  add(kDash, u"-\u2010\u2011\u2012\u2013\u2014\u2015\u2212");
  add(kContinuation, u",;:\uff0c\u3001\uff1b\uff1a");
  return all;
}();

bool is_terminator(char16_t c) { return (kClasses[c] & kTerminator) != 0; }
bool is_wide_terminator(char16_t c) { return (kClasses[c] & kWideTerminator) != 0; }
bool is_closer(char16_t c) { return (kClasses[c] & kCloser) != 0; }
bool is_wide_closer(char16_t c) { return (kClasses[c] & kWideCloser) != 0; }
bool is_certain_closer(char16_t c) { return (kClasses[c] & kCertainCloser) != 0; }
bool is_opener(char16_t c) { return (kClasses[c] & kOpener) != 0; }
bool is_dash(char16_t c) { return (kClasses[c] & kDash) != 0; }
bool is_continuation(char16_t c) { return (kClasses[c] & kContinuation) != 0; }

bool one_of(char16_t c, std::u16string_view set) { return set.find(c) != set.npos; }
bool is_newline(char16_t c) { return c < 0x80 ? c >= u'\n' && c <= u'\r' : one_of(c, u"\u0085\u2028\u2029"); }

std::u16string_view closing_bracket(char16_t open) {
  constexpr std::u16string_view kOpen{u"([{\u300c\u300e\u3010\u300a\u3008\uff08"},
      kClose{u")]}\u300d\u300f\u3011\u300b\u3009\uff09"};
  const size_t at = is_opener(open) ? kOpen.find(open) : kOpen.npos;
  return at == kOpen.npos ? std::u16string_view() : kClose.substr(at, 1);
}

bool starts_with_any(std::u16string_view text, std::initializer_list<std::u16string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::u16string_view word) { return text.starts_with(word); });
}

class Splitter {
 public:
  Splitter(const WideText& wide, std::string_view language)
      : wide_(wide), text_(wide.units), language_(language), inside_(brackets()), lines_(line_begins()) {}

  std::vector<SentenceEnd> split() const {
    std::vector<SentenceEnd> ends;
    size_t begin = 0, next = 0;
    for (const uint32_t proposed : candidates()) {
      if (proposed < next) continue;  // inside the blanks that were just judged
      next = start_behind(proposed);
      if (next <= begin || next >= text_.size()) continue;
      const Gap gap = gap_before(next);
      if (!is_boundary(begin, gap)) continue;
      ends.push_back({wide_.offsets[next], gap.newlines > 0, gap.newlines > 1});
      begin = next;
    }
    if (!text_.empty()) ends.push_back({wide_.offsets.back(), true, true});
    return ends;
  }

 private:
  struct Gap {
    size_t last;   // end of what stands before the blanks
    size_t next;   // begin of what stands behind them
    int newlines;  // 2: a paragraph
  };

  // ---- where a boundary may be

  std::vector<uint32_t> candidates() const {
    std::vector<uint32_t> all = break_positions(text_, Break::sentence);
    const size_t proposed = all.size();
    for (size_t i = 0; i + 1 < text_.size(); ++i)
      if (is_more(i)) all.push_back(static_cast<uint32_t>(i + 1));
    std::inplace_merge(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(proposed), all.end());
    return all;
  }

  // UAX #29 takes no ellipsis for a terminator, a dash for a continuation, and a number behind a full stop
  // for the rest of an abbreviation.
  bool is_more(size_t at) const {
    const bool blank = is_space(text_[at + 1]);
    if (text_[at] == u'\u2026') return blank || is_closer(text_[at + 1]);
    if (!blank || !(is_terminator(text_[at]) || is_closer(text_[at]))) return false;
    const size_t next = skip_blanks(at + 1);
    return next < text_.size() && (is_dash(text_[next]) || is_digit(text_[next]));
  }

  size_t skip_blanks(size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at;
  }

  // Behind closing quotes that a blank separates from their sentence ("Halt ! »"), and behind all blanks.
  size_t start_behind(size_t at) const {
    // before opening quotes that no blank separates: UAX #29 takes them for closing ones
    while (at >= 2 && one_of(text_[at - 1], u"\u300c\u300e\u3010\u300a\u3008\uff08\u201c\u2018") &&
           (is_wide_terminator(text_[at - 2]) || is_wide_closer(text_[at - 2])))
      --at;
    for (size_t next = skip_blanks(at);; next = skip_blanks(at)) {
      if (next >= text_.size() || !closes(next)) return next;
      at = next + 1;
    }
  }

  bool closes(size_t at) const {
    if (is_certain_closer(text_[at])) return true;
    const bool blank_before = at == 0 || is_space(text_[at - 1]),
               blank_behind = at + 1 == text_.size() || is_space(text_[at + 1]);
    return is_closer(text_[at]) && !one_of(text_[at], u"*_\u201c") && !blank_before && blank_behind;
  }

  Gap gap_before(size_t next) const {
    Gap gap{next, next, 0};
    for (; gap.last > 0 && is_space(text_[gap.last - 1]); --gap.last) {
      const char16_t c = text_[gap.last - 1];
      const bool second_of_crlf = c == u'\r' && text_[gap.last] == u'\n';
      if (is_newline(c) && !second_of_crlf) gap.newlines += c == u'\u2029' || c == u'\u000c' ? 2 : 1;
    }
    return gap;
  }

  // Units inside a bracket that closes again within reach and within the paragraph.
  std::vector<bool> brackets() const {
    std::vector<bool> inside(text_.size(), false);
    struct Open {
      size_t at;
      char16_t close;
    };
    std::vector<Open> open;
    for (size_t i = 0; i < text_.size(); ++i) {
      const char16_t c = text_[i];
      if (is_newline(c) && i > 0 && is_newline(text_[i - 1]) && !(c == u'\n' && text_[i - 1] == u'\r'))
        open.clear();
      while (!open.empty() && i - open.front().at > kReach) open.erase(open.begin());
      if (const auto close = closing_bracket(c); !close.empty() && open.size() < 8)
        open.push_back({i, close[0]});
      while (!open.empty() && open.back().close != c &&
             one_of(c, u")]}\u300d\u300f\u3011\u300b\u3009\uff09") && has(open, c))
        open.pop_back();
      if (open.empty() || open.back().close != c) continue;
      std::fill(inside.begin() + static_cast<std::ptrdiff_t>(open.back().at),
                inside.begin() + static_cast<std::ptrdiff_t>(i), true);
      open.pop_back();
    }
    return inside;
  }

  template <class Opens>
  static bool has(const Opens& open, char16_t close) {
    return std::any_of(open.begin(), open.end(), [&](const auto& o) { return o.close == close; });
  }

  // ---- whether it is one

  bool is_boundary(size_t begin, const Gap& gap) const {
    if (gap.last <= begin) return false;  // nothing but blanks
    if (gap.newlines > 1) return true;
    if (gap.newlines == 1) return is_line_end(gap);
    return is_sentence_end(gap);
  }

  // Where the text of the line that holds `at` begins. The questions go forward through the text, so the
  // line of the last one is the place to look from; a search each time is slow where every line is short.
  size_t line_begin(size_t at) const {
    if (lines_.empty() || lines_[0] > at) return at;
    if (lines_[line_] > at)
      line_ = static_cast<size_t>(std::upper_bound(lines_.begin(), lines_.end(), at) - lines_.begin()) - 1;
    while (line_ + 1 < lines_.size() && lines_[line_ + 1] <= at) ++line_;
    return lines_[line_];
  }

  std::vector<size_t> line_begins() const {
    std::vector<size_t> begins;
    bool fresh = true;
    for (size_t i = 0; i < text_.size(); ++i) {
      if (is_newline(text_[i])) {
        fresh = true;
      } else if (fresh && !is_space(text_[i])) {
        begins.push_back(i);
        fresh = false;
      }
    }
    return begins;
  }

  bool is_line_end(const Gap& gap) const {
    const size_t begin = line_begin(gap.last);
    if (begins_item(gap.next) || (text_[begin] == u'#' && begins_heading(begin))) return true;
    const char16_t last = text_[gap.last - 1];
    if (is_continuation(last) && last != u':' && last != u'\uff1a') return false;
    if (is_terminator(last) || (is_closer(last) && gap.last > 1 && is_terminator(text_[gap.last - 2])))
      return is_sentence_end(gap);
    size_t columns = 0;
    for (size_t i = begin; i < gap.last && columns < kShortLine; ++i)
      columns += is_ideographic(text_[i]) ? 2 : 1;
    const char16_t next = text_[gap.next];
    const bool may_begin = is_upper(next) || is_digit(next) || is_ideographic(next) || is_opener(next) ||
                           is_dash(next) || next == u'#';
    return columns < kShortLine && may_begin && !is_dash(last);
  }

  bool begins_heading(size_t at) const {
    size_t marks = 0;
    while (at + marks < text_.size() && text_[at + marks] == u'#') ++marks;
    return marks <= 6 && at + marks < text_.size() && is_space(text_[at + marks]);
  }

  // "- ", "* ", "\u2022 ", "3. ", "3) ", "(3) ", "a) ", "iv. ", "2.1. ", "\u4e00\u3001", "\u2460"
  bool begins_item(size_t at) const { return item_mark_end(at) != at || begins_heading_mark(at); }
  bool begins_heading_mark(size_t at) const { return text_[at] == u'#' && begins_heading(at); }

  size_t item_mark_end(size_t at) const {
    const size_t size = text_.size();
    const auto blank = [&](size_t i) { return i >= size || is_space(text_[i]); };
    const char16_t c = text_[at];
    if (c >= 0x2460 && c <= 0x2473) return at + 1;
    if (one_of(c, u"\u2022\u2023\u25e6\u00b7\u25aa\u25cf\u25cb\u30fb\u25a0\u25a1")) return at + 1;
    if ((is_dash(c) || c == u'*' || c == u'+') && blank(at + 1)) return at + 1;
    size_t end = at + (c == u'(' || c == u'\uff08');
    const size_t mark = end;
    while (end < size && end - mark < 9 &&
           (is_digit(text_[end]) ||
            (text_[end] == u'.' && end > mark && end + 1 < size && is_digit(text_[end + 1]))))
      ++end;
    if (end == mark)
      while (end < size && end - mark < 4 && one_of(text_[end], u"ivxIVX")) ++end;
    if (end == mark && end < size && is_letter(text_[end]) && !is_ideographic(text_[end])) ++end;
    if (end == mark)
      while (end < size && end - mark < 3 &&
             one_of(text_[end], u"\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341"))
        ++end;
    if (end == mark || end >= size) return at;
    if (one_of(text_[end], u"\u3001\uff0e")) return end + 1;
    if (mark > at) return one_of(text_[end], u")\uff09") ? end + 1 : at;
    return one_of(text_[end], u".)") && blank(end + 1) ? end + 1 : at;
  }

  bool is_sentence_end(const Gap& gap) const {
    size_t last = gap.last;
    while (last > 0 && gap.last - last < kReach &&
           (is_closer(text_[last - 1]) || (last < gap.last && is_space(text_[last - 1]))))
      --last;
    if (last == 0 || gap.last - last >= kReach) return false;
    const char16_t term = text_[last - 1];
    if (!is_terminator(term)) return false;
    if (inside_[gap.next - 1] && gap.next > 0 && inside_[gap.last - 1]) return false;
    if (is_continuation(text_[gap.next])) return false;
    const bool quoted = last < gap.last;
    if (quoted && continues_after_quote(gap)) return false;
    if (gap.last == gap.next && !may_touch(term, gap)) return false;
    const size_t letter = first_letter(gap.next);
    if (letter < text_.size() && is_lower(text_[letter])) return false;
    if (term == u'.') return is_full_stop(last - 1, letter);
    if (term == u'\u2026') return ends_at_ellipsis(last - 1, letter);
    return true;
  }

  // No blank between the sentences: usual after full-width marks and between ideographs.
  bool may_touch(char16_t term, const Gap& gap) const {
    const char16_t next = text_[gap.next];
    if (is_wide_terminator(term)) return true;
    return term != u'.' && term != u'\u2026' && (is_ideographic(next) || is_wide_closer(text_[gap.last - 1]));
  }

  // Quotes, brackets, dashes and blanks before the first character that tells upper from lower case.
  size_t first_letter(size_t at) const {
    while (at < text_.size() && (is_opener(text_[at]) || is_dash(text_[at]) || is_space(text_[at]))) ++at;
    return at;
  }

  // `"Halt!" John cried.`, Japanese and Korean particles of quotation, Chinese verbs of speech.
  bool continues_after_quote(const Gap& gap) const {
    const std::u16string_view rest = std::u16string_view(text_).substr(gap.next, kReach);
    if (gap.newlines == 0 && gap.last == gap.next &&
        starts_with_any(rest, {u"\u3068", u"\u3063\u3066", u"\u3068\u3044\u3046", u"\u306a\u3069", u"\u306f",
                               u"\u304c", u"\u3092", u"\u306b", u"\u306e", u"\u3082", u"\u3067", u"\u3084"}))
      return true;
    if (starts_with_any(rest, {u"\ub77c\uace0", u"\uc774\ub77c\uace0", u"\ud558\uace0", u"\uace0 ",
                               u"\ub77c\ub294", u"\uc774\ub77c\ub294", u"\ub77c\uba70", u"\ub77c\uba74\uc11c",
                               u"\ub294 ", u"\uc774\ub780"}))
      return true;
    if (gap.last == gap.next && is_ideographic(text_[gap.next])) {
      for (size_t i = 0; i < std::min(rest.size(), kSpeechReach) && is_ideographic(rest[i]); ++i)
        if (one_of(rest[i], u"\u8bf4\u8aaa\u9053\u95ee\u554f\u558a\u53eb\u7b54\u56b7") &&
            (i == 0 || rest[i - 1] != u'\u77e5'))
          return true;
      return false;
    }
    const std::u16string_view first = word_at(gap.next),
                              second = word_at(skip_blanks(gap.next + first.size()));
    return is_speech_verb(second) && !first.empty();
  }

  std::u16string_view word_at(size_t at) const {
    size_t end = at;
    while (end < text_.size() && end - at < kReach &&
           (is_letter(text_[end]) || is_mark(text_[end]) || one_of(text_[end], u"'\u2019")))
      ++end;
    return std::u16string_view(text_).substr(at, end - at);
  }

  bool starter_at(size_t at) const {
    const std::u16string_view word = word_at(at);
    const size_t end = at + word.size();
    const bool initial = word.size() == 1 && end < text_.size() && text_[end] == u'.';
    return !initial && begins_sentences(word);
  }

  // A pause inside a sentence or its end: capitals tell; Korean tells by the ending of the verb.
  bool ends_at_ellipsis(size_t dots, size_t letter) const {
    if (letter >= text_.size()) return true;
    const char16_t next = text_[letter];
    if (!is_ideographic(next)) return (is_upper(next) && word_at(letter) != u"I") || is_digit(next);
    while (dots > 0 && one_of(text_[dots - 1], u".\u2026")) --dots;
    return dots > 0 && one_of(text_[dots - 1], u"\ub2e4\uc694\uc8e0\uae4c\u3002");
  }

  // ---- full stops

  bool is_full_stop(size_t stop, size_t letter) const {
    const bool more = letter < text_.size();
    if (stop > 0 && text_[stop - 1] == u'.') return ends_at_ellipsis(stop, letter);
    size_t begin = stop;
    while (begin > 0 && stop - begin < kReach && !is_space(text_[begin - 1]) &&
           !is_opener(text_[begin - 1]) && !is_ideographic(text_[begin - 1]) && text_[begin - 1] != u'/')
      --begin;
    const std::u16string_view word = std::u16string_view(text_).substr(begin, stop - begin);
    if (word.empty()) return true;
    if (begin == line_begin(begin) && item_mark_end(begin) == stop + 1) return false;
    if (std::all_of(word.begin(), word.end(), is_digit)) return !is_german_ordinal(begin, word, letter);
    const bool number_next = more && is_digit(text_[letter]);
    if (number_next && word.size() <= 5 && is_upper(word[0])) return false;  // "Ref. 5"
    switch (kind_of(word, begin)) {
      case Abbreviation::always:
        return false;
      case Abbreviation::number:
        return !number_next;
      case Abbreviation::may_end:
        return starter_at(letter);
      default:
        return true;
    }
  }

  Abbreviation kind_of(std::u16string_view word, size_t begin) const {
    const std::u16string lower = lower_case(word);
    if (word == u"\u0433")
      return follows_number(begin)
                 ? Abbreviation::may_end
                 : Abbreviation::always;  // "1990 \u0433." or "\u0433. \u041c\u043e\u0441\u043a\u0432\u0430"
    if (const Abbreviation kind = part_of_pair(word, begin); kind != Abbreviation::none) return kind;
    if (const Abbreviation kind = abbreviation_of(lower, language_);
        kind != Abbreviation::none && !is_ordinary_capital(word) &&
        !(kind == Abbreviation::number && is_initial(word)))
      return kind;
    if (is_initial(word)) return Abbreviation::may_end;
    if (lower.size() > 3 && lower.ends_with(u"str")) return Abbreviation::number;  // "Hauptstr. 5"
    if (word.size() > 2 && word[word.size() - 2] == u'-' && is_upper(word.back()))
      return Abbreviation::may_end;  // "J.-P."
    const size_t dot = word.find(u'.');
    return dot != word.npos && dot <= 2 && word.size() - word.rfind(u'.') <= 3 && is_letter(word[0])
               ? Abbreviation::may_end
               : Abbreviation::none;
  }

  static bool is_initial(std::u16string_view word) {
    return word.size() == 1 && is_letter(word[0]) && !is_ideographic(word[0]);
  }

  // A listed abbreviation that is written in capitals is an acronym or a word in a headline.
  static bool is_ordinary_capital(std::u16string_view word) {
    return word.size() > 3 && std::all_of(word.begin(), word.end(), is_upper);
  }

  // One half of an abbreviation with a blank inside: "z. B.", "\u0438 \u0442. \u0434."; behind the first half
  // no sentence ends.
  Abbreviation part_of_pair(std::u16string_view word, size_t begin) const {
    if (word.size() > 3) return Abbreviation::none;
    const std::u16string lower = lower_case(word);
    const size_t next = skip_blanks(begin + word.size() + 1);
    const std::u16string_view second = word_at(next);
    if (!second.empty() && second.size() <= 3 && next + second.size() < text_.size() &&
        text_[next + second.size()] == u'.' &&
        abbreviation_of(lower + u"." + lower_case(second), language_) != Abbreviation::none)
      return Abbreviation::always;
    if (begin < 3 || !is_space(text_[begin - 1]) || text_[begin - 2] != u'.') return Abbreviation::none;
    size_t before = begin - 2;
    while (before > 0 && begin - before < 8 && is_letter(text_[before - 1])) --before;
    const std::u16string first = lower_case(std::u16string_view(text_).substr(before, begin - 2 - before));
    return abbreviation_of(first + u"." + lower, language_);
  }

  bool follows_number(size_t begin) const {
    return begin >= 2 && is_space(text_[begin - 1]) && is_digit(text_[begin - 2]);
  }

  bool is_german_ordinal(size_t begin, std::u16string_view digits, size_t letter) const {
    if ((language_ != "german" && language_ != "auto" && !language_.empty()) || digits.size() > 3 ||
        letter >= text_.size())
      return false;
    if (is_german_month(word_at(letter))) return true;
    size_t end = begin;
    while (end > 0 && is_space(text_[end - 1])) --end;
    size_t word = end;
    while (word > 0 && end - word < 20 && is_letter(text_[word - 1])) --word;
    const std::u16string before = lower_case(std::u16string_view(text_).substr(word, end - word));
    return precedes_german_ordinal(before) && !starter_at(letter);
  }

  const WideText& wide_;
  const std::u16string& text_;
  std::string_view language_;
  std::vector<bool> inside_;
  std::vector<size_t> lines_;
  mutable size_t line_{0};  // of lines_, the one that was asked for last
};

}  // namespace

std::vector<SentenceEnd> split_sentences(std::string_view text, std::string_view language) {
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8", invalid);
  const WideText wide = to_wide(text);
  return Splitter(wide, language).split();
}

}  // namespace tts
