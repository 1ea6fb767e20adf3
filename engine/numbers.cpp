// One pass over the text. At every digit that begins a number the longest form that is understood is read;
// everything else is copied. The forms, tried in this order:
//
//   1985-05-03  3.5.1985  5/3/1985     a date (order of day and month by language)
//   10:30  10:30:15  10h30             a time
//   [currency] [-] 1,234.56 [%|unit|currency|ordinal ending]
#include "engine/numbers.h"

#include "base/error.h"
#include "engine/number_phrases.h"
#include "engine/unicode.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace tts {

namespace {

using Wide = std::u16string;
using View = std::u16string_view;

bool is_blank(char16_t c) { return c == u' ' || c == 0xa0 || c == 0x202f || c == 0x2009; }
bool is_ascii_digit(char16_t c) { return c >= u'0' && c <= u'9'; }
bool is_word(char16_t c) {
  return (is_letter(c) && !is_ideographic(c)) || is_digit(c) || c == u'_' || is_mark(c);
}

struct Number {
  std::string whole, fraction;  // ASCII digits, without groups
  bool negative = false, grouped = false;
  size_t end = 0;
  double value() const { return std::strtod(text().c_str(), nullptr); }
  std::string text() const { return whole + (fraction.empty() ? "" : "." + fraction); }
};

class Reader {
 public:
  Reader(const Wide& text, const NumberStyle& style, const NumberWords& words)
      : text_(text), style_(style), words_(words), language_(style.language) {}

  Wide read() {
    for (at_ = 0; at_ < text_.size();) {
      const bool number = begins_number(at_);
      in_range_ = false;
      if (!number || !read_here()) copy_token();
    }
    return std::move(out_);
  }

  Wide spelled(const Number& n, Spell how) const {
    const Wide sign = n.negative ? Wide(style_.minus) : Wide();
    if (n.whole.size() > 15) return sign + by_digits(n.whole);
    if (!n.fraction.empty()) return sign + spell_decimal(words_, n.text());
    return sign + spell(words_, std::stoll(n.whole), how);
  }

  Wide by_digits(std::string_view digits) const {
    Wide out;
    for (const char c : digits) {
      if (!out.empty() && !east_asian()) out += u' ';
      out += spell(words_, c - '0', Spell::cardinal);
    }
    return out;
  }

 private:
  bool east_asian() const { return style_.is_east_asian(); }
  char16_t peek(size_t at) const { return at < text_.size() ? text_[at] : u'\0'; }
  View rest(size_t at) const { return View(text_).substr(std::min(at, text_.size())); }
  Wide year_words(int year) const { return spell(words_, year, Spell::year); }

  // ---- where numbers begin

  bool begins_number(size_t at) const {
    if (in_range_) return is_ascii_digit(text_[at]);
    const char16_t before = at == 0 ? u' ' : text_[at - 1];
    if (before == u'-' && at > 1 && is_word(text_[at - 2])) return false;  // "555-1234"
    if (is_word(before) || (at > 1 && before == u'.' && is_digit(text_[at - 2]))) return false;
    if (one_of(before, u"/@#\\:=&.") && at > 1 && !is_blank(text_[at - 2]))
      return false;  // inside an address or a path
    size_t digit = at;
    if (const size_t sign = symbol_end(digit, currency_symbols()); sign > digit) digit = skip_blank(sign);
    if (one_of(peek(digit), u"-\u2212+") && !is_word(before) && before != u'-') ++digit;
    return is_ascii_digit(peek(digit));
  }

  static bool one_of(char16_t c, View set) { return c != 0 && set.find(c) != set.npos; }
  size_t skip_blank(size_t at) const { return is_blank(peek(at)) ? at + 1 : at; }

  size_t symbol_end(size_t at, std::span<const NumberSymbol> table) const {
    const NumberSymbol* const found = symbol_at(at, table);
    return found == nullptr ? at : at + found->text.size();
  }

  const NumberSymbol* symbol_at(size_t at, std::span<const NumberSymbol> table) const {
    for (const NumberSymbol& symbol : table) {
      if (!rest(at).starts_with(symbol.text)) continue;
      if (is_word(symbol.text.back()) && is_word(peek(at + symbol.text.size()))) continue;
      return &symbol;
    }
    return nullptr;
  }

  // A word, or one character that belongs to none.
  void copy_token() {
    const size_t begin = at_++;
    if (is_word(text_[begin]))
      while (at_ < text_.size() && (is_word(text_[at_]) || (text_[at_] == u'.' && is_word(peek(at_ + 1)))))
        ++at_;
    out_ += View(text_).substr(begin, at_ - begin);
  }

  // ---- the forms

  bool read_here() { return read_date() || read_time() || read_amount(); }

  std::optional<int> integer_at(size_t& at, size_t most_digits) const {
    int value = 0;
    size_t digits = 0;
    for (; digits < most_digits && is_ascii_digit(peek(at)); ++digits)
      value = value * 10 + (text_[at++] - u'0');
    return digits > 0 && !is_ascii_digit(peek(at)) ? std::optional(value) : std::nullopt;
  }

  bool read_date() {
    size_t at = at_;
    const auto first = integer_at(at, 4);
    const char16_t mark = peek(at++);
    if (!first || !one_of(mark, u"-/.")) return false;
    const auto second = integer_at(at, 2);
    if (!second || peek(at++) != mark) return false;
    const auto third = integer_at(at, 4);
    if (!third || is_word(peek(at)) || (peek(at) == mark && is_digit(peek(at + 1)))) return false;
    int year = *third, month = *second, day = *first;
    if (*first > 999 && mark != u'.') {
      year = *first, day = *third;
    } else if (mark != static_cast<char16_t>(style_.date_mark) || style_.order == 'y' || *third < 1000) {
      return false;
    } else if (style_.order == 'm') {
      std::swap(month, day);
    }
    if (month < 1 || month > 12 || day < 1 || day > 31) return false;
    out_ += date_words(style_, words_, {year, month, day},
                       follows({u"am", u"vom", u"zum", u"dem", u"den", u"seit", u"bis", u"ab"}));
    at_ = at;
    return true;
  }

  // The word before the number is one of these.
  bool follows(std::initializer_list<View> words) const {
    size_t end = at_;
    while (end > 0 && is_blank(text_[end - 1])) --end;
    size_t begin = end;
    while (begin > 0 && is_letter(text_[begin - 1])) --begin;
    const Wide word = lower_case(View(text_).substr(begin, end - begin));
    return std::ranges::find(words, View(word)) != words.end();
  }

  bool read_time() {
    size_t at = at_;
    const auto hour = integer_at(at, 2);
    const bool colon = peek(at) == u':';
    if (!hour || *hour > 24 || !(colon || (language_ == "french" && peek(at) == u'h'))) return false;
    ++at;
    const size_t minute_begin = at;
    const auto minute = integer_at(at, 2);
    if (!minute || at - minute_begin != 2 || *minute > 59) return false;
    std::optional<int> second;
    if (colon && peek(at) == u':') {
      const size_t begin = ++at;
      second = integer_at(at, 2);
      if (!second || at - begin != 2 || *second > 59) return false;
    }
    if (is_word(peek(at)) && !is_ideographic(peek(at)) && !one_of(peek(at), u"aApP")) return false;
    const size_t next = skip_blank(at);
    if (language_ == "german" && rest(next).starts_with(u"Uhr")) at = next + 3;
    const bool half = rest(next).starts_with(u"am") || rest(next).starts_with(u"pm") ||
                      rest(next).starts_with(u"a.m") || rest(next).starts_with(u"p.m") ||
                      rest(next).starts_with(u"AM") || rest(next).starts_with(u"PM");
    out_ += time_words(style_, words_, *hour, *minute, half);
    if (second && *second > 0)
      out_ += (east_asian() ? u"" : u" ") +
              with_unit(words_, *second, spell(words_, *second, Spell::before_noun), "duration-second");
    at_ = at;
    return true;
  }

  std::optional<Number> number_at(size_t at) const {
    Number n;
    while (is_ascii_digit(peek(at))) n.whole += static_cast<char>(text_[at++]);
    if (n.whole.empty()) return {};
    const size_t first = n.whole.size();
    if (first <= 3 && n.whole[0] != '0')  // groups of three, all with the same mark
      for (const char16_t mark = peek(at); is_group_mark(mark) && peek(at) == mark && is_group(at + 1);
           at += 4) {
        for (size_t i = 1; i <= 3; ++i) n.whole += static_cast<char>(text_[at + i]);
        n.grouped = true;
      }
    const bool point = peek(at) == style_.decimal && is_ascii_digit(peek(at + 1));
    if (point)
      for (++at; is_ascii_digit(peek(at)); ++at) n.fraction += static_cast<char>(text_[at]);
    // "1.2.3", "10-12-14", "3/4": not one number
    if (one_of(peek(at), u".,") && is_ascii_digit(peek(at + 1))) return {};
    if (one_of(peek(at), u"/-") && is_ascii_digit(peek(at + 1)) && range_end(n, at) == at) return {};
    if (n.fraction.size() > 15) return {};
    n.end = at;
    return n;
  }

  bool is_group_mark(char16_t mark) const {
    return mark == style_.group || mark == u'\'' || mark == 0x202f ||
           (is_blank(mark) && style_.group != u',');
  }

  // "10-12" and "1990\u20131995" are ranges, "555-1234" is none: behind the mark, or `at`.
  size_t range_end(const Number& n, size_t at) const {
    if (peek(at) == u'\u2013') return at + 1;
    std::string other;
    for (size_t i = at + 1; is_ascii_digit(peek(i)) && other.size() < 5; ++i)
      other += static_cast<char>(text_[i]);
    const size_t end = at + 1 + other.size();
    const bool is_range = peek(at) == u'-' && n.fraction.empty() && other.size() == n.whole.size() &&
                          other.size() <= 4 && n.whole < other && !is_word(peek(end)) &&
                          !(one_of(peek(end), u"-/.,:") && is_digit(peek(end + 1)));
    return is_range ? at + 1 : at;
  }

  bool is_group(size_t at) const {
    for (size_t i = 0; i < 3; ++i)
      if (!is_ascii_digit(peek(at + i))) return false;
    return !is_ascii_digit(peek(at + 3));
  }

  bool read_amount() {
    size_t at = at_;
    const NumberSymbol* currency = symbol_at(at, currency_symbols());
    if (currency != nullptr) at = skip_blank(at + currency->text.size());
    const bool negative = one_of(peek(at), u"-\u2212");
    if (one_of(peek(at), u"-\u2212+")) ++at;
    auto n = number_at(at);
    if (!n) return false;
    n->negative = negative;
    if (currency == nullptr) {
      const size_t behind = skip_blank(n->end);
      currency = symbol_at(behind, currency_symbols());
      if (currency != nullptr) n->end = behind + currency->text.size();
    }
    if (currency != nullptr) return finish(*n, money(*n, *currency));
    if (const auto words = ordinal(*n)) return finish(*n, *words);
    if (language_ == "english" && n->whole.size() == 4 && n->fraction.empty() && peek(n->end) == u's' &&
        !is_word(peek(n->end + 1))) {
      ++n->end;
      return finish(*n, decade(std::stoi(n->whole)));
    }
    const size_t behind = skip_blank(n->end);
    if (const NumberSymbol* unit = symbol_at(behind, unit_symbols())) {
      const bool attached = behind == n->end || unit->text.size() > 1 || !one_of(unit->text[0], u"s");
      n->end = attached ? behind + unit->text.size() : n->end;
      if (attached)
        return finish(*n, with_unit(words_, n->value(), spelled(*n, Spell::before_noun), unit->name));
    }
    if (is_word(peek(n->end)) && !is_ideographic(peek(n->end)))
      return false;  // "3D", "5th" in another language
    return finish(*n, plain(*n));
  }

  bool finish(const Number& n, const Wide& words) {
    out_ += words;
    at_ = n.end;
    if (one_of(peek(at_), u"-\u2013") && is_ascii_digit(peek(at_ + 1))) {  // a range
      out_ += style_.range;
      ++at_;
      in_range_ = true;
    }
    return true;
  }

  // "1980s"
  Wide decade(int year) const {
    Wide words = spell(words_, year, Spell::year);
    if (!words.ends_with(u'y')) return words + u"s";
    words.pop_back();
    return words + u"ies";
  }

  Wide plain(const Number& n) const {
    const bool simple = n.fraction.empty() && !n.grouped && !n.negative;
    if (simple && n.whole.size() > 1 && n.whole[0] == '0') return by_digits(n.whole);
    const bool year_like = simple && n.whole.size() == 4 && n.whole >= "1100" && n.whole <= "2099";
    if (year_like && (language_ == "english" || language_ == "german")) return year_words(std::stoi(n.whole));
    if (simple && language_ == "chinese" && n.whole.size() == 4 && peek(n.end) == u'\u5e74')
      return year_words(std::stoi(n.whole));
    if (simple && language_ == "russian" && n.whole.size() <= 4)
      for (const auto& [word, how] : {std::pair(View(u"\u0433\u043e\u0434\u0443"), Spell::ordinal_locative),
                                      {u"\u0433\u043e\u0434\u0430", Spell::ordinal_genitive},
                                      {u"\u0433\u043e\u0434", Spell::ordinal}})
        if (n.whole.size() == 4 && rest(skip_blank(n.end)).starts_with(word))
          return russian_year(words_, std::stoi(n.whole), how);
    if (simple && language_ == "korean" && n.whole.size() <= 2)
      for (const View counter :
           {u"\uac1c", u"\uba85", u"\uc2dc", u"\uc0b4", u"\ub9c8\ub9ac", u"\uad8c", u"\uc794", u"\ubcd1"})
        if (rest(skip_blank(n.end)).starts_with(counter))
          return spell(words_, std::stoll(n.whole), Spell::native) + (is_blank(peek(n.end)) ? u"" : u" ");
    return spelled(n, Spell::cardinal);
  }

  // Endings that make an ordinal; the number's end moves behind them.
  std::optional<Wide> ordinal(Number& n) const {
    if (!n.fraction.empty() || n.negative || n.whole.size() > 9) return {};
    const auto take = [&](View ending, Spell how) -> std::optional<Wide> {
      if (!rest(n.end).starts_with(ending) || is_word(peek(n.end + ending.size()))) return {};
      n.end += ending.size();
      return spell(words_, std::stoll(n.whole), how);
    };
    for (const OrdinalEnding& ending : ordinal_endings())
      if (ending.language.empty() || ending.language == language_)
        if (auto words = take(ending.text, static_cast<Spell>(ending.how))) return words;
    if (language_ == "english" && n.whole.size() <= 2 && beside_month(n.end, true))
      return spell(words_, std::stoll(n.whole), Spell::ordinal);
    if (language_ == "german" && peek(n.end) == u'.' && is_blank(peek(n.end + 1)) && n.whole.size() <= 2)
      return german_ordinal(n);
    if ((language_ == "french" || language_ == "italian" || language_ == "portuguese") && n.whole == "1" &&
        beside_month(n.end, false))
      return spell(words_, 1, Spell::ordinal);
    if (language_ == "russian" && n.whole.size() <= 2 && beside_month(n.end, false))
      return spell(words_, std::stoll(n.whole), Spell::ordinal_genitive);
    return {};
  }

  // "3. Mai", "am 3. Mai", "der 2. Versuch"; at the end of a sentence a number stays one.
  std::optional<Wide> german_ordinal(Number& n) const {
    const bool oblique = follows(
        {u"am", u"im", u"vom", u"zum", u"beim", u"dem", u"den", u"des", u"seit", u"bis", u"ab", u"einem"});
    const bool article = follows({u"der", u"die", u"das", u"jede", u"diese", u"seine", u"ihre"});
    if (!oblique && !article && !beside_month(n.end + 1, false)) return {};
    ++n.end;
    return spell(words_, std::stoll(n.whole),
                 oblique   ? Spell::ordinal_oblique
                 : article ? Spell::ordinal_plain
                           : Spell::ordinal);
  }

  bool beside_month(size_t end, bool or_before) const {
    const size_t next =
        skip_blank(end + (language_ == "portuguese" && rest(skip_blank(end)).starts_with(u"de ") ? 4 : 0));
    for (int month = 1; month <= 12; ++month) {
      const Wide& name = month_name(words_, month);
      if (rest(next).starts_with(name) && !is_word(peek(next + name.size()))) return true;
      if (or_before && at_ > name.size() && is_blank(text_[at_ - 1]) &&
          View(text_).substr(0, at_ - 1).ends_with(name))
        return true;
    }
    return false;
  }

  Wide money(Number& n, const NumberSymbol& currency) const {
    const std::string_view code =
        (currency.text == u"\u00a5" || currency.text == u"\uffe5") && language_ == "chinese" ? "CNY"
                                                                                             : currency.name;
    for (const View magnitude : magnitudes())
      if (is_blank(peek(n.end)) && rest(n.end + 1).starts_with(magnitude) &&
          !is_word(peek(n.end + 1 + magnitude.size()))) {
        const Wide spoken = spelled(n, Spell::cardinal) + u" " + Wide(magnitude);
        n.end += 1 + magnitude.size();
        return without_country(with_currency(words_, 5, spoken, code), currency);
      }
    if (n.fraction.size() != 2 || east_asian())
      return without_country(with_currency(words_, n.value(), spelled(n, Spell::before_noun), code),
                             currency);
    Number whole = n;
    whole.fraction.clear();
    const Wide amount = without_country(
        with_currency(words_, whole.value(), spelled(whole, Spell::before_noun), code), currency);
    const int cents = std::stoi(n.fraction);
    const View joint = language_ == "portuguese" ? u" e " : language_ == "spanish" ? u" con " : u" ";
    return cents == 0 ? amount : amount + Wide(joint) + spell(words_, cents, Spell::cardinal);
  }

  // A sign says no country: "dollars", not "US dollars".
  Wide without_country(Wide text, const NumberSymbol& currency) const {
    if (currency.text != u"$" && currency.text != u"\u00a3" && currency.text != u"R$") return text;
    for (const View country :
         {u"US ", u"British ", u"US-", u" estadounidenses", u" estadounidense", u" am\u00e9ricains",
          u" am\u00e9ricain", u" statunitensi", u" statunitense", u" americanos", u" brasileiros",
          u" brasileiro", u" americano", u" \u0421\u0428\u0410"})
      if (const size_t at = text.find(country); at != text.npos) text.erase(at, country.size());
    return text;
  }

  const Wide& text_;
  const NumberStyle& style_;
  const NumberWords& words_;
  std::string_view language_;
  size_t at_ = 0;
  Wide out_;
  bool in_range_ = false;  // the number here is the end of a range
};

struct Language {
  const NumberStyle& style;
  const NumberWords& words;
};

Language require(std::string_view language) {
  const NumberStyle* style = number_style(language);
  check(style != nullptr, Exit::usage,
        "numbers: expected a language that can be read (chinese, english, french, german, italian, japanese, "
        "korean, portuguese, russian, "
        "spanish), got \"{}\"; say which with --language",
        language);
  return {*style, *number_words(language)};
}

}  // namespace

bool can_read_numbers(std::string_view language) { return number_style(language) != nullptr; }

std::string read_numbers(std::string_view text, std::string_view language) {
  const auto [style, words] = require(language);
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8", invalid);
  const WideText wide = to_wide(text);
  return to_narrow(Reader(wide.units, style, words).read());
}

std::string read_number(std::string_view digits, NumberKind kind, std::string_view language) {
  const auto [style, words] = require(language);
  const bool plain =
      !digits.empty() && digits.size() <= 15 && digits.find_first_not_of("0123456789") == digits.npos;
  const Wide none;
  const Reader reader(none, style, words);
  if (kind == NumberKind::digits && plain) return to_narrow(reader.by_digits(digits));
  if (kind == NumberKind::ordinal && plain)
    return to_narrow(spell(words, std::stoll(std::string(digits)), Spell::ordinal));
  const bool number = kind == NumberKind::cardinal && digits.find_first_of("0123456789") != digits.npos &&
                      digits.find_first_not_of("+-.,0123456789") == digits.npos;
  const std::string read = number ? read_numbers(digits, language) : std::string();
  check(number && read.find_first_of("0123456789") == read.npos, Exit::bad_input,
        "numbers: expected a number, got \"{}\"", printable(digits));
  return plain ? to_narrow(spell(words, std::stoll(std::string(digits)), Spell::cardinal)) : read;
}

std::string read_date(int year, int month, int day, std::string_view language) {
  const auto [style, words] = require(language);
  check(year >= 0 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31, Exit::bad_input,
        "numbers: expected a date, got {}-{}-{}", year, month, day);
  return to_narrow(date_words(style, words, {year, month, day}, false));
}

}  // namespace tts
