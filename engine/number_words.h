// Spelled-out numbers and names of currencies, units and months, from ICU's data for each language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tts {

enum class Spell : uint8_t {
  cardinal,
  before_noun,
  feminine,
  ordinal,
  ordinal_feminine,
  ordinal_neuter,
  ordinal_plain,
  ordinal_oblique,
  ordinal_genitive,
  ordinal_locative,
  year,
  native
};

struct NumberWords;                                          // the formatters of one language, opened once
const NumberWords* number_words(std::string_view language);  // nullptr: not one of the ten

std::u16string spell(const NumberWords& words, int64_t value, Spell how);
// The digits behind the decimal mark are read one by one (Russian: as hundredths).
std::u16string spell_decimal(const NumberWords& words, std::string_view value);  // "-3.14"

// "5 kilometres": `spelled` beside the plural form that `value` asks for. `unit` is an ICU unit
// ("length-kilometer").
std::u16string with_unit(const NumberWords& words, double value, const std::u16string& spelled,
                         std::string_view unit);
std::u16string with_currency(const NumberWords& words, double value, const std::u16string& spelled,
                             std::string_view code);
const std::u16string& month_name(const NumberWords& words, int month);  // 1..12, as in a date

}  // namespace tts
