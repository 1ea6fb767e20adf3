// Numbers as words, in the language of the text: cardinals, ordinals, decimals, years, dates, times,
// currencies, units and percentages. What is not understood (versions, phone numbers with other marks, codes
// like "B2B") stays as it is.
#pragma once

#include <string>
#include <string_view>

namespace tts {

// Languages that can be read: "chinese", "english", "japanese", "korean", "german", "french", "russian",
// "portuguese", "spanish", "italian". Another name is Exit::usage.
bool can_read_numbers(std::string_view language);
std::string read_numbers(std::string_view text, std::string_view language);

enum class NumberKind { cardinal, ordinal, digits };
// One number, for markup: "1,234.5" or "-3"; digits: one by one. Exit::bad_input when `digits` is no number.
std::string read_number(std::string_view digits, NumberKind kind, std::string_view language);
std::string read_date(int year, int month, int day, std::string_view language);  // year 0: without one

}  // namespace tts
