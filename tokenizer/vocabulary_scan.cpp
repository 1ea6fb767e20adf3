#include "tokenizer/vocabulary_scan.h"

#include "base/error.h"
#include "tokenizer/normalize.h"

#include <charconv>

namespace tts {

namespace {

class Scanner {
 public:
  Scanner(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void scan(const std::function<void(const VocabularyEntry&)>& visit) {
    skip_blanks();
    take('{', "an object");
    skip_blanks();
    if (peek() != '}') {
      do {
        skip_blanks();
        const std::string_view token = read_string();
        skip_blanks();
        take(':', "':'");
        skip_blanks();
        visit({token, read_integer()});
        skip_blanks();
      } while (take_if(','));
    }
    take('}', "',' or '}'");
    skip_blanks();
    if (at_ != text_.size()) refuse("the end of the file");
  }

 private:
  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : -1; }

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  bool take_if(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void take(char c, std::string_view expected) {
    if (!take_if(c)) refuse(expected);
  }

  [[noreturn]] void refuse(std::string_view expected) const {
    if (at_ >= text_.size())
      throw Error(Exit::bad_input, "{}: byte {}: expected {}, got the end of the file", name_, at_, expected);
    size_t end = at_;
    next_code_point(text_, end);
    throw Error(Exit::bad_input, "{}: byte {}: expected {}, got '{}'", name_, at_, expected,
                printable(text_.substr(at_, end - at_)));
  }

  // A view of the file, or of unescaped_ when something had to be resolved.
  std::string_view read_string() {
    take('"', "a token in quotes");
    const size_t begin = at_;
    bool escaped = false;
    for (;; ++at_) {
      const int c = peek();
      if (c < 0x20) refuse("the end of the token");
      if (c == '"') break;
      if (c != '\\') {
        if (escaped) unescaped_.push_back(static_cast<char>(c));
        continue;
      }
      if (!escaped) unescaped_.assign(text_.substr(begin, at_ - begin));
      escaped = true;
      ++at_;
      read_escape();
    }
    const std::string_view plain = text_.substr(begin, at_ - begin);
    ++at_;
    return escaped ? std::string_view(unescaped_) : plain;
  }

  // Leaves at_ on the last character of the escape.
  void read_escape() {
    static constexpr std::string_view kNames{"\"\\/bfnrt"}, kMeanings{"\"\\/\b\f\n\r\t"};
    const int c = peek();
    const size_t simple = c < 0 ? kNames.npos : kNames.find(static_cast<char>(c));
    if (simple != kNames.npos) {
      unescaped_.push_back(kMeanings[simple]);
      return;
    }
    if (c != 'u') refuse("an escape");
    const uint32_t unit = read_hex();
    if (unit >= 0xdc00 && unit <= 0xdfff) refuse_surrogate();
    if (unit < 0xd800 || unit > 0xdbff) return append_utf8(unescaped_, unit);
    if (text_.substr(at_ + 1, 2) != "\\u") refuse_surrogate();
    at_ += 2;
    const uint32_t low = read_hex();
    if (low < 0xdc00 || low > 0xdfff) refuse_surrogate();
    append_utf8(unescaped_, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
  }

  uint32_t read_hex() {  // at_ is on the 'u'
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      ++at_;
      const int c = peek();
      const bool digit = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'f', upper = c >= 'A' && c <= 'F';
      if (!digit && !lower && !upper) refuse("four hexadecimal digits");
      value = value * 16 + static_cast<uint32_t>(digit ? c - '0' : lower ? c - 'a' + 10 : c - 'A' + 10);
    }
    return value;
  }

  [[noreturn]] void refuse_surrogate() const {
    throw Error(Exit::bad_input, "{}: byte {}: half of a surrogate pair", name_, at_);
  }

  int64_t read_integer() {
    int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::invalid_argument) refuse("an integer");
    const std::string_view digits(begin, static_cast<size_t>(end - begin));
    const bool leading_zero = (digits.size() > 1 && digits[0] == '0') || digits.starts_with("-0");
    check(error == std::errc() && !leading_zero, Exit::bad_input, "{}: byte {}: expected an integer, got {}",
          name_, at_, digits);
    at_ += digits.size();
    return value;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  std::string unescaped_;
};

}  // namespace

void scan_vocabulary(std::string_view text, const std::string& name,
                     const std::function<void(const VocabularyEntry&)>& visit) {
  Scanner(text, name).scan(visit);
}

}  // namespace tts
