#include "tools/languages.h"

#include <algorithm>
#include <string>

namespace tts {

namespace {

struct Language {
  const char *two, *three, *also, *name;  // ISO 639-1, ISO 639-3, the other ISO 639-2 code, name
};
// clang-format off
constexpr Language kLanguages[] = {
    {"ar", "ara", "", "arabic"},      {"bg", "bul", "", "bulgarian"},    {"bn", "ben", "", "bengali"},
    {"ca", "cat", "", "catalan"},     {"cs", "ces", "cze", "czech"},     {"cy", "cym", "wel", "welsh"},
    {"da", "dan", "", "danish"},      {"de", "deu", "ger", "german"},    {"el", "ell", "gre", "greek"},
    {"en", "eng", "", "english"},     {"es", "spa", "", "spanish"},      {"et", "est", "", "estonian"},
    {"eu", "eus", "baq", "basque"},   {"fa", "fas", "per", "persian"},   {"fi", "fin", "", "finnish"},
    {"fr", "fra", "fre", "french"},   {"ga", "gle", "", "irish"},        {"he", "heb", "", "hebrew"},
    {"hi", "hin", "", "hindi"},       {"hr", "hrv", "", "croatian"},     {"hu", "hun", "", "hungarian"},
    {"id", "ind", "", "indonesian"},  {"is", "isl", "ice", "icelandic"}, {"it", "ita", "", "italian"},
    {"ja", "jpn", "", "japanese"},    {"ko", "kor", "", "korean"},       {"lt", "lit", "", "lithuanian"},
    {"lv", "lav", "", "latvian"},     {"ms", "msa", "may", "malay"},     {"nl", "nld", "dut", "dutch"},
    {"no", "nor", "", "norwegian"},   {"pl", "pol", "", "polish"},       {"pt", "por", "", "portuguese"},
    {"ro", "ron", "rum", "romanian"}, {"ru", "rus", "", "russian"},      {"sk", "slk", "slo", "slovak"},
    {"sl", "slv", "", "slovenian"},   {"sr", "srp", "", "serbian"},      {"sv", "swe", "", "swedish"},
    {"ta", "tam", "", "tamil"},       {"te", "tel", "", "telugu"},       {"th", "tha", "", "thai"},
    {"tr", "tur", "", "turkish"},     {"uk", "ukr", "", "ukrainian"},    {"ur", "urd", "", "urdu"},
    {"vi", "vie", "", "vietnamese"},  {"zh", "zho", "chi", "chinese"},
};
// clang-format on

}  // namespace

std::string_view language_of_code(std::string_view code) {
  std::string lower(code);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  for (const Language& language : kLanguages) {
    if (!lower.empty() && (lower == language.two || lower == language.three || lower == language.also))
      return language.name;
  }
  return {};
}

}  // namespace tts
