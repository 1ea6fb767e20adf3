// Dates and times as they are said in each language.
#pragma once

#include "engine/number_tables.h"
#include "engine/number_words.h"

namespace tts {

struct Date {
  int year = 0;  // 0: none
  int month = 1, day = 1;
};
// `after_preposition`: "am dritten Mai" instead of "dritter Mai".
std::u16string date_words(const NumberStyle& style, const NumberWords& words, Date date,
                          bool after_preposition);
// `half_of_day`: "am" or "pm" follows.
std::u16string time_words(const NumberStyle& style, const NumberWords& words, int hour, int minute,
                          bool half_of_day);

// An ordinal without the "one" before its thousand.
std::u16string russian_year(const NumberWords& words, int year, Spell how);

}  // namespace tts
