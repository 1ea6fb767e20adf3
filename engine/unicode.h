// What the text stages need from ICU: UTF-16 with the way back to bytes, properties of characters, break
// positions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

// Byte k of the text belongs to unit i when offsets[i] <= k < offsets[i + 1]; the second half of a surrogate
// pair has no bytes of its own.
struct WideText {
  std::u16string units;
  std::vector<uint32_t> offsets;  // [units + 1]
};
WideText to_wide(std::string_view utf8);  // checked UTF-8
std::string to_narrow(std::u16string_view units);

bool is_upper(char16_t c);
bool is_lower(char16_t c);
bool is_letter(char16_t c);
bool is_digit(char16_t c);
bool is_space(char16_t c);
bool is_ideographic(
    char16_t c);  // Han, kana, Hangul: letters without case that need no blank after a full stop
bool is_mark(char16_t c);
std::u16string lower_case(std::u16string_view text);  // character by character

enum class Break : uint8_t { sentence, word, grapheme };  // UAX #29
// Positions in (0, size]; the last is the end.
std::vector<uint32_t> break_positions(std::u16string_view text, Break kind);

std::string icu_version();

}  // namespace tts
