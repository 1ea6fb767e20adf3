// How each language writes numbers, and the signs that stand beside them.
#pragma once

#include <span>
#include <string_view>

namespace tts {

struct NumberStyle {
  const char* language;
  char16_t decimal, group;  // besides blanks where the group is no comma
  char date_mark, order;    // 3.5.2024 or 3/5/2024; 'd': day first, 'm': month first, 'y': only year first
  std::u16string_view minus, range;  // what "-" and a dash between numbers are read as

  bool is_east_asian() const { return order == 'y'; }
};
const NumberStyle* number_style(std::string_view language);  // nullptr: not one of the ten

struct NumberSymbol {
  std::u16string_view text;
  std::string_view name;  // an ICU unit or a currency code
};
std::span<const NumberSymbol> unit_symbols();  // longest first
std::span<const NumberSymbol> currency_symbols();
std::span<const std::u16string_view> magnitudes();  // "million", between an amount and its currency

struct OrdinalEnding {
  std::string_view language;  // "": all
  std::u16string_view text;
  unsigned char how;  // Spell of number_words.h
};
std::span<const OrdinalEnding> ordinal_endings();

}  // namespace tts
