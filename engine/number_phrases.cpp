#include "engine/number_phrases.h"

namespace tts {

namespace {

using Wide = std::u16string;
using View = std::u16string_view;

}  // namespace

std::u16string russian_year(const NumberWords& words, int year, Spell how) {
  constexpr View kOne{u"\u043e\u0434\u043d\u0430 "};
  Wide text = spell(words, year, how);
  if (text.starts_with(kOne)) text.erase(0, kOne.size());
  return text;
}

std::u16string date_words(const NumberStyle& style, const NumberWords& words, Date date,
                          bool after_preposition) {
  const int year = date.year, month = date.month, day = date.day;
  const std::string_view language = style.language;
  const Wide name = style.is_east_asian() ? Wide() : month_name(words, month);
  const Wide d = spell(words, day, Spell::cardinal), y = year > 0 ? spell(words, year, Spell::year) : Wide();
  const auto with_year = [&](View joint) { return year > 0 ? Wide(joint) + y : Wide(); };
  if (language == "english") return name + u" " + spell(words, day, Spell::ordinal) + with_year(u", ");
  if (language == "german")
    return spell(words, day, after_preposition ? Spell::ordinal_oblique : Spell::ordinal) + u" " + name +
           with_year(u" ");
  if (language == "french" || language == "italian")
    return (day == 1 ? spell(words, 1, Spell::ordinal) : d) + u" " + name + with_year(u" ");
  if (language == "spanish") return d + u" de " + name + with_year(u" de ");
  if (language == "portuguese")
    return (day == 1 ? spell(words, 1, Spell::ordinal) : d) + u" de " + name + with_year(u" de ");
  if (language == "russian")
    return spell(words, day, Spell::ordinal_genitive) + u" " + name +
           (year > 0
                ? u" " + russian_year(words, year, Spell::ordinal_genitive) + u" \u0433\u043e\u0434\u0430"
                : Wide());
  if (language == "korean") {
    const Wide m = month == 6    ? Wide(u"\uc720")
                   : month == 10 ? Wide(u"\uc2dc")
                                 : spell(words, month, Spell::cardinal);
    return (year > 0 ? y + u"\ub144 " : Wide()) + m + u"\uc6d4 " + d + u"\uc77c";
  }
  return (year > 0 ? y + u"\u5e74" : Wide()) + spell(words, month, Spell::cardinal) + u"\u6708" + d +
         u"\u65e5";
}

std::u16string time_words(const NumberStyle& style, const NumberWords& words, int hour, int minute,
                          bool half_of_day) {
  const std::string_view language = style.language;
  const Wide h = spell(words, hour, Spell::cardinal), m = spell(words, minute, Spell::cardinal);
  if (language == "english") {
    if (minute == 0) return half_of_day ? h : h + u" o'clock";
    return h + (minute < 10 ? u" oh " : u" ") + m;
  }
  if (language == "german")
    return spell(words, hour, Spell::before_noun) + u" Uhr" + (minute > 0 ? u" " + m : Wide());
  if (language == "french")
    return with_unit(words, hour, spell(words, hour, Spell::feminine), "duration-hour") +
           (minute > 0 ? u" " + m : Wide());
  if (language == "russian")
    return with_unit(words, hour, h, "duration-hour") +
           (minute > 0
                ? u" " + with_unit(words, minute, spell(words, minute, Spell::feminine), "duration-minute")
                : Wide());
  if (language == "chinese") return h + u"\u70b9" + (minute > 0 ? m + u"\u5206" : Wide());
  if (language == "japanese") return h + u"\u6642" + (minute > 0 ? m + u"\u5206" : Wide());
  if (language == "korean")
    return spell(words, hour, Spell::native) + u" \uc2dc" + (minute > 0 ? u" " + m + u" \ubd84" : Wide());
  const View joint = language == "spanish" ? u" y " : u" e ";  // Italian, Portuguese
  return spell(words, hour, language == "italian" ? Spell::cardinal : Spell::feminine) +
         (minute > 0 ? Wide(joint) + m : Wide());
}

}  // namespace tts
