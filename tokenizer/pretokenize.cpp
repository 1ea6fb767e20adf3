// Splits NFC text into the pieces that merges never cross: one regular expression, tried again where the last
// match ended. Both expressions match at every position, so nothing is dropped (spec/text-tokenizer.md
// section 4).
//
// The classes are those of Unicode 16. Packaged libraries are older, so the letters, marks and numbers that
// came after Unicode 14 are listed here; for a newer library they are only said twice. White space is written
// out for the same reason. Runs of numbers are matched as one (group 1) and cut afterwards: a digit can start
// no other alternative.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"

#include <memory>

namespace tts {

namespace {

// clang-format off
constexpr const char* kNewUpper{R"(\x{1C89}\x{A7CB}-\x{A7CC}\x{A7DA}\x{A7DC}\x{10D50}-\x{10D65})"};
constexpr const char* kNewLower{R"(\x{1C8A}\x{A7CD}\x{A7DB}\x{10D70}-\x{10D85}\x{1DF25}-\x{1DF2A})"};
constexpr const char* kNewCaseless{  // Lm and Lo
    R"(\x{10D4E}\x{10D6F}\x{16D40}-\x{16D42}\x{16D6B}-\x{16D6C}\x{1E030}-\x{1E06D}\x{1E4EB})"
    R"(\x{105C0}-\x{105F3}\x{10D4A}-\x{10D4D}\x{10D4F}\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240}\x{11380}-\x{11389})"
    R"(\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02})"
    R"(\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D})"
    R"(\x{16D43}-\x{16D6A}\x{18CFF}\x{1B132}\x{1B155}\x{1E4D0}-\x{1E4EA}\x{1E5D0}-\x{1E5ED}\x{1E5F0})"
    R"(\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})"};
constexpr const char* kNewMark{
    R"(\x{897}\x{CF3}\x{ECE}\x{10D69}-\x{10D6D}\x{10EFC}-\x{10EFF}\x{11241}\x{113B8}-\x{113C0}\x{113C2}\x{113C5})"
    R"(\x{113C7}-\x{113CA}\x{113CC}-\x{113D0}\x{113D2}\x{113E1}-\x{113E2}\x{11F00}-\x{11F01}\x{11F03})"
    R"(\x{11F34}-\x{11F3A}\x{11F3E}-\x{11F42}\x{11F5A}\x{13440}\x{13447}-\x{13455}\x{1611E}-\x{1612F}\x{1E08F})"
    R"(\x{1E4EC}-\x{1E4EF}\x{1E5EE}-\x{1E5EF})"};
constexpr const char* kNewNumber{
    R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})"};
constexpr const char* kSpace{
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"};

// %L %N %S: letters, numbers, white space. %U %D: what may begin and what may end a word of the patched expression.
constexpr std::string_view kStandard{
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n%L%N]?[%L]+|([%N]+)| ?[^%S%L%N]+[\r\n]*|[%S]*[\r\n]+|[%S]+(?![^%S])|[%S]+)"};
constexpr std::string_view kPatched{
    R"([^\r\n%L%N]?[%U]*[%D]+|[^\r\n%L%N]?[%U]+[%D]*|([%N]+)| ?[^%S%L%N]+[\r\n/]*|[%S]*[\r\n]+|[%S]+(?![^%S])|[%S]+)"};
// clang-format on

std::string class_of(char letter) {
  const std::string caseless = std::string(R"(\p{Lm}\p{Lo}\p{M})") + kNewCaseless + kNewMark;
  switch (letter) {
    case 'L':
      return std::string(R"(\p{L})") + kNewUpper + kNewLower + kNewCaseless;
    case 'N':
      return std::string(R"(\p{N})") + kNewNumber;
    case 'S':
      return kSpace;
    case 'U':
      return R"(\p{Lu}\p{Lt})" + caseless + kNewUpper;
    default:
      return R"(\p{Ll})" + caseless + kNewLower;
  }
}

std::string expand(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%')
      out += class_of(pattern[++i]);
    else
      out += pattern[i];
  }
  return out;
}

std::string describe(int pcre_error) {
  unsigned char text[128] = {};
  pcre2_get_error_message(pcre_error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

struct Expression {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code{nullptr, pcre2_code_free};
  bool jit = false;  // some processors have none: the interpreter gives the same matches, slower

  explicit Expression(std::string_view pattern) {
    const std::string text = expand(pattern);
    int error = 0;
    size_t offset = 0;
    code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, &error, &offset,
                             nullptr));
    check(code != nullptr, Exit::internal, "split expression: offset {}: {}", offset, describe(error));
    jit = pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE) == 0;
  }
};

const Expression& expression(Pretokenizer pretokenizer) {
  if (pretokenizer == Pretokenizer::patched) {
    static const Expression patched(kPatched);
    return patched;
  }
  static const Expression standard(kStandard);
  return standard;
}

}  // namespace

std::vector<uint32_t> split_pieces(std::string_view text, Pretokenizer pretokenizer) {
  const Expression& e = expression(pretokenizer);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create(2, nullptr), pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  check(match && context, Exit::internal, "split expression: out of memory");
  // Each alternative backtracks at most once over its run: a few steps for each byte are enough for every
  // match.
  pcre2_set_match_limit(context.get(), static_cast<uint32_t>(1000 + 16 * text.size()));
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const size_t* ends = pcre2_get_ovector_pointer(match.get());

  std::vector<uint32_t> pieces;
  pieces.reserve(text.size() / 4 + 1);
  for (size_t at = 0; at < text.size(); at = ends[1]) {
    const int groups =
        e.jit ? pcre2_jit_match(e.code.get(), subject, text.size(), at, 0, match.get(), context.get())
              : pcre2_match(e.code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, match.get(),
                            context.get());
    check(groups > 0 && ends[1] > at, Exit::internal, "split expression: byte {}: {}", at, describe(groups));
    if (groups == 2)
      for (size_t i = at + 1; i < ends[1]; ++i)
        if ((text[i] & 0xc0) != 0x80) pieces.push_back(static_cast<uint32_t>(i));
    pieces.push_back(static_cast<uint32_t>(ends[1]));
  }
  return pieces;
}

std::string unicode_versions() {
  char version[64] = {}, unicode[64] = {};
  pcre2_config(PCRE2_CONFIG_VERSION, version);
  pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, unicode);
  const std::string_view number = std::string_view(version).substr(0, std::string_view(version).find(' '));
  return format("PCRE2 {} (Unicode {}), {}", number, unicode, normalization_library());
}

}  // namespace tts
