#include "engine/unicode.h"

#include "base/error.h"

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include <memory>

namespace tts {

namespace {

void check_icu(UErrorCode status, std::string_view what) {
  check(U_SUCCESS(status), Exit::internal, "ICU: {}: {}", what, u_errorName(status));
}

}  // namespace

WideText to_wide(std::string_view text) {
  WideText wide;
  wide.units.reserve(text.size());
  wide.offsets.reserve(text.size() + 1);
  for (int32_t at = 0; at < static_cast<int32_t>(text.size());) {
    const auto begin = static_cast<uint32_t>(at);
    UChar32 c = 0;
    U8_NEXT_UNSAFE(text.data(), at, c);
    wide.offsets.push_back(begin);
    if (c < 0x10000) {
      wide.units.push_back(static_cast<char16_t>(c));
    } else {
      wide.units.push_back(U16_LEAD(c));
      wide.units.push_back(U16_TRAIL(c));
      wide.offsets.push_back(static_cast<uint32_t>(at));
    }
  }
  wide.offsets.push_back(static_cast<uint32_t>(text.size()));
  return wide;
}

std::string to_narrow(std::u16string_view units) {
  std::string out(3 * units.size(), '\0');
  int32_t bytes = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strToUTF8(out.data(), static_cast<int32_t>(out.size()), &bytes, units.data(),
              static_cast<int32_t>(units.size()), &status);
  if (status == U_STRING_NOT_TERMINATED_WARNING) status = U_ZERO_ERROR;
  check_icu(status, "UTF-8");
  out.resize(static_cast<size_t>(bytes));
  return out;
}

bool is_upper(char16_t c) { return u_isupper(c) || u_istitle(c); }
bool is_lower(char16_t c) { return u_islower(c); }
bool is_letter(char16_t c) { return u_isalpha(c); }
// ASCII apart: splitting asks several times for every character, and the tables of ICU took a seventh of its
// time.
bool is_digit(char16_t c) { return c < 0x80 ? c >= u'0' && c <= u'9' : static_cast<bool>(u_isdigit(c)); }
bool is_space(char16_t c) {
  return c < 0x80 ? c == u' ' || (c >= u'\t' && c <= u'\r') : static_cast<bool>(u_isUWhiteSpace(c));
}
bool is_ideographic(char16_t c) {
  return (c >= 0x1100 && c <= 0x11ff) || (c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x318f) ||
         (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) ||
         (c >= 0xd840 && c <= 0xd88f) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff66 && c <= 0xff9f);
}
bool is_mark(char16_t c) { return (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0; }

std::u16string lower_case(std::u16string_view text) {
  std::u16string out;
  for (const char16_t c : text) out += static_cast<char16_t>(u_tolower(c));
  return out;
}

std::vector<uint32_t> break_positions(std::u16string_view text, Break kind) {
  constexpr UBreakIteratorType kTypes[]{UBRK_SENTENCE, UBRK_WORD, UBRK_CHARACTER};
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UBreakIterator, decltype(&ubrk_close)> iterator(
      ubrk_open(kTypes[static_cast<int>(kind)], "en", text.data(), static_cast<int32_t>(text.size()),
                &status),
      ubrk_close);
  check_icu(status, "break rules");
  std::vector<uint32_t> positions;
  ubrk_first(iterator.get());
  for (int32_t at = ubrk_next(iterator.get()); at != UBRK_DONE; at = ubrk_next(iterator.get()))
    positions.push_back(static_cast<uint32_t>(at));
  return positions;
}

std::string icu_version() {
  return std::string("ICU ") + U_ICU_VERSION + " (Unicode " + U_UNICODE_VERSION + ")";
}

}  // namespace tts
