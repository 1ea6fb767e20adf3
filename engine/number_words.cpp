#include "engine/number_words.h"

#include "base/error.h"

#include <unicode/udat.h>
#include <unicode/unum.h>
#include <unicode/unumberformatter.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>

namespace tts {

namespace {

// Rule sets of ICU's data, in the order of Spell. nullptr: as the cardinal.
struct Rules {
  const char* language;
  const char* locale;
  std::array<const char*, 12> sets;
};

constexpr Rules kRules[] = {
    {"english",
     "en",
     {"%spellout-cardinal", nullptr, nullptr, "%spellout-ordinal", nullptr, nullptr, "%spellout-ordinal",
      "%spellout-ordinal", nullptr, nullptr, "%spellout-numbering-year", nullptr}},
    {"german",
     "de",
     {"%spellout-numbering", "%spellout-cardinal-masculine", "%spellout-cardinal-feminine",
      "%spellout-ordinal-r", nullptr, nullptr, "%spellout-ordinal", "%spellout-ordinal-n", nullptr, nullptr,
      "%spellout-numbering-year", nullptr}},
    {"french",
     "fr",
     {"%spellout-cardinal-masculine", nullptr, "%spellout-cardinal-feminine", "%spellout-ordinal-masculine",
      "%spellout-ordinal-feminine", nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr}},
    {"spanish",
     "es",
     {"%spellout-numbering", "%spellout-cardinal-masculine", "%spellout-cardinal-feminine",
      "%spellout-ordinal-masculine", "%spellout-ordinal-feminine", nullptr, nullptr, nullptr, nullptr,
      nullptr, nullptr, nullptr}},
    {"italian",
     "it",
     {"%spellout-numbering", "%spellout-cardinal-masculine", "%spellout-cardinal-feminine",
      "%spellout-ordinal-masculine", "%spellout-ordinal-feminine", nullptr, nullptr, nullptr, nullptr,
      nullptr, nullptr, nullptr}},
    {"portuguese",
     "pt",
     {"%spellout-cardinal-masculine", nullptr, "%spellout-cardinal-feminine", "%spellout-ordinal-masculine",
      "%spellout-ordinal-feminine", nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr}},
    {"russian",
     "ru",
     {"%spellout-cardinal-masculine", nullptr, "%spellout-cardinal-feminine", "%spellout-ordinal-masculine",
      "%spellout-ordinal-feminine", "%spellout-ordinal-neuter", nullptr, nullptr,
      "%spellout-ordinal-masculine-genitive", "%spellout-ordinal-masculine-locative", nullptr, nullptr}},
    {"chinese",
     "zh",
     {"%spellout-cardinal", nullptr, nullptr, "%spellout-ordinal", nullptr, nullptr, nullptr, nullptr,
      nullptr, nullptr, "%spellout-numbering-year", nullptr}},
    {"japanese",
     "ja",
     {"%spellout-cardinal", nullptr, nullptr, "%spellout-ordinal", nullptr, nullptr, nullptr, nullptr,
      nullptr, nullptr, nullptr, nullptr}},
    {"korean",
     "ko",
     {"%spellout-cardinal-sinokorean", nullptr, nullptr, "%spellout-ordinal-native-count", nullptr, nullptr,
      nullptr, nullptr, nullptr, nullptr, nullptr, "%spellout-cardinal-native-attributive"}},
};

void check_icu(UErrorCode status, std::string_view what) {
  check(U_SUCCESS(status), Exit::internal, "ICU: {}: {}", what, u_errorName(status));
}

std::u16string wide(std::string_view ascii) { return {ascii.begin(), ascii.end()}; }

void replace_all(std::u16string& text, std::u16string_view from, std::u16string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

using NumberFormat = std::unique_ptr<UNumberFormat, decltype(&unum_close)>;

}  // namespace

struct NumberWords {
  std::string language, locale;
  mutable std::mutex mutex;  // the rule sets are switched inside the formatters
  NumberFormat speller{nullptr, unum_close};
  std::array<std::string, 12> sets;
  std::array<std::u16string, 12> months;
  mutable std::map<std::string, std::unique_ptr<UNumberFormatter, decltype(&unumf_close)>> units;

  bool is_east_asian() const { return locale == "zh" || locale == "ja" || locale == "ko"; }

  void choose(const std::string& set) const {
    UErrorCode status = U_ZERO_ERROR;
    const std::u16string name = wide(set);
    unum_setTextAttribute(speller.get(), UNUM_DEFAULT_RULESET, name.data(), static_cast<int32_t>(name.size()),
                          &status);
    check_icu(status, set);
  }

  std::u16string clean(std::u16string text) const {
    replace_all(text, u"\u00ad", u"");        // hints for hyphenation
    replace_all(text, u"\u30fb", u"\u70b9");  // the decimal mark of Japanese, as it is read
    return text;
  }

  std::u16string formatted(double value, const std::string& skeleton) const {
    UErrorCode status = U_ZERO_ERROR;
    auto& formatter = units.try_emplace(skeleton, nullptr, unumf_close).first->second;
    if (formatter == nullptr) {
      const std::u16string text = wide(skeleton + " unit-width-full-name precision-unlimited group-off");
      formatter.reset(unumf_openForSkeletonAndLocale(text.data(), static_cast<int32_t>(text.size()),
                                                     locale.c_str(), &status));
      check_icu(status, skeleton);
    }
    const std::unique_ptr<UFormattedNumber, decltype(&unumf_closeResult)> result(unumf_openResult(&status),
                                                                                 unumf_closeResult);
    check_icu(status, skeleton);
    unumf_formatDouble(formatter.get(), value, result.get(), &status);
    char16_t text[256];
    const int32_t n = unumf_resultToString(result.get(), text, 256, &status);
    check_icu(status, skeleton);
    return {text, static_cast<size_t>(n)};
  }

  // The formatted text with words in place of its digits.
  std::u16string in_place(double value, const std::u16string& spelled, const std::string& skeleton) const {
    const std::lock_guard lock(mutex);
    std::u16string text = formatted(value < 0 ? -value : value, skeleton);
    const size_t first = text.find_first_of(u"0123456789"), last = text.find_last_of(u"0123456789");
    check(first != text.npos, Exit::internal, "ICU: {}: no digits", skeleton);
    text.replace(first, last + 1 - first, spelled);
    replace_all(text, u"\u00a0", u" ");
    replace_all(text, u"\u202f", u" ");
    if (locale == "ja" || locale == "zh") replace_all(text, u" ", u"");
    return text;
  }
};

namespace {

std::array<std::u16string, 12> month_names(const char* locale) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UDateFormat, decltype(&udat_close)> format(
      udat_open(UDAT_NONE, UDAT_LONG, locale, nullptr, 0, nullptr, 0, &status), udat_close);
  check_icu(status, "months");
  std::array<std::u16string, 12> names;
  for (int32_t month = 0; month < 12; ++month) {
    char16_t text[64];
    const int32_t n = udat_getSymbols(format.get(), UDAT_MONTHS, month, text, 64, &status);
    check_icu(status, "months");
    names[static_cast<size_t>(month)].assign(text, static_cast<size_t>(n));
  }
  return names;
}

}  // namespace

const NumberWords* number_words(std::string_view language) {
  static const std::map<std::string, std::unique_ptr<NumberWords>, std::less<>> all = [] {
    std::map<std::string, std::unique_ptr<NumberWords>, std::less<>> opened;
    for (const Rules& rules : kRules) {
      auto words = std::make_unique<NumberWords>();
      words->language = rules.language;
      words->locale = rules.locale;
      for (size_t i = 0; i < rules.sets.size(); ++i)
        words->sets[i] = rules.sets[i] != nullptr ? rules.sets[i] : rules.sets[0];
      words->months = month_names(rules.locale);
      UErrorCode status = U_ZERO_ERROR;
      words->speller.reset(unum_open(UNUM_SPELLOUT, nullptr, 0, rules.locale, nullptr, &status));
      check_icu(status, rules.locale);
      opened.emplace(rules.language, std::move(words));
    }
    return opened;
  }();
  const auto found = all.find(language);
  return found == all.end() ? nullptr : found->second.get();
}

std::u16string spell(const NumberWords& words, int64_t value, Spell how) {
  const std::lock_guard lock(words.mutex);
  words.choose(words.sets[static_cast<size_t>(how)]);
  UErrorCode status = U_ZERO_ERROR;
  char16_t text[1024];
  const int32_t n = unum_formatInt64(words.speller.get(), value, text, 1024, nullptr, &status);
  check_icu(status, "spelling");
  return words.clean({text, static_cast<size_t>(n)});
}

std::u16string spell_decimal(const NumberWords& words, std::string_view value) {
  const std::lock_guard lock(words.mutex);
  words.choose(words.sets[static_cast<size_t>(Spell::cardinal)]);
  UErrorCode status = U_ZERO_ERROR;
  char16_t text[1024];
  const int32_t n = unum_formatDecimal(words.speller.get(), value.data(), static_cast<int32_t>(value.size()),
                                       text, 1024, nullptr, &status);
  check_icu(status, "spelling");
  return words.clean({text, static_cast<size_t>(n)});
}

std::u16string with_unit(const NumberWords& words, double value, const std::u16string& spelled,
                         std::string_view unit) {
  if (unit == "concentr-percent" && words.locale == "zh") return u"\u767e\u5206\u4e4b" + spelled;
  if (unit == "concentr-percent" && words.locale == "ko") return spelled + u" \ud37c\uc13c\ud2b8";
  return words.in_place(value, spelled, "measure-unit/" + std::string(unit));
}

std::u16string with_currency(const NumberWords& words, double value, const std::u16string& spelled,
                             std::string_view code) {
  if (code == "CNY" && words.locale == "zh") return spelled + u"\u5143";
  return words.in_place(value, spelled, "currency/" + std::string(code));
}

const std::u16string& month_name(const NumberWords& words, int month) {
  return words.months[static_cast<size_t>(month) - 1];
}

}  // namespace tts
