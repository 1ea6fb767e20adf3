#include "engine/number_tables.h"

#include "engine/number_words.h"

#include <algorithm>

namespace tts {

namespace {

using View = std::u16string_view;

constexpr unsigned char as(Spell how) { return static_cast<unsigned char>(how); }

constexpr NumberStyle kStyles[] = {
    {"english", u'.', u',', '/', 'm', u"minus ", u" to "},
    {"german", u',', u'.', '.', 'd', u"minus ", u" bis "},
    {"french", u',', u'.', '/', 'd', u"moins ", u" \u00e0 "},
    {"spanish", u',', u'.', '/', 'd', u"menos ", u" a "},
    {"italian", u',', u'.', '/', 'd', u"meno ", u" a "},
    {"portuguese", u',', u'.', '/', 'd', u"menos ", u" a "},
    {"russian", u',', u'.', '.', 'd', u"\u043c\u0438\u043d\u0443\u0441 ", u" \u2014 "},
    {"chinese", u'.', u',', '/', 'y', u"\u8d1f", u"\u5230"},
    {"japanese", u'.', u',', '/', 'y', u"\u30de\u30a4\u30ca\u30b9", u"\u304b\u3089"},
    {"korean", u'.', u',', '/', 'y', u"\ub9c8\uc774\ub108\uc2a4 ", u"\uc5d0\uc11c "},
};

constexpr NumberSymbol kUnits[] = {
    // longest first
    {u"km/h", "speed-kilometer-per-hour"},
    {u"\u043a\u043c/\u0447", "speed-kilometer-per-hour"},
    {u"kWh", "energy-kilowatt-hour"},
    {u"mph", "speed-mile-per-hour"},
    {u"kHz", "frequency-kilohertz"},
    {u"MHz", "frequency-megahertz"},
    {u"GHz", "frequency-gigahertz"},
    {u"km\u00b2", "area-square-kilometer"},
    {u"min", "duration-minute"},
    {u"\u043c\u0438\u043d", "duration-minute"},
    {u"\u00b0C", "temperature-celsius"},
    {u"\u00b0F", "temperature-fahrenheit"},
    {u"m\u00b2", "area-square-meter"},
    {u"m\u00b3", "volume-cubic-meter"},
    {u"km", "length-kilometer"},
    {u"\u043a\u043c", "length-kilometer"},
    {u"cm", "length-centimeter"},
    {u"\u0441\u043c", "length-centimeter"},
    {u"mm", "length-millimeter"},
    {u"\u043c\u043c", "length-millimeter"},
    {u"kg", "mass-kilogram"},
    {u"\u043a\u0433", "mass-kilogram"},
    {u"mg", "mass-milligram"},
    {u"ml", "volume-milliliter"},
    {u"ms", "duration-millisecond"},
    {u"kB", "digital-kilobyte"},
    {u"MB", "digital-megabyte"},
    {u"GB", "digital-gigabyte"},
    {u"TB", "digital-terabyte"},
    {u"Hz", "frequency-hertz"},
    {u"kW", "power-kilowatt"},
    {u"ft", "length-foot"},
    {u"mi", "length-mile"},
    {u"lb", "mass-pound"},
    {u"oz", "mass-ounce"},
    {u"%", "concentr-percent"},
    {u"\uff05", "concentr-percent"},
    {u"\u2030", "concentr-permille"},
    {u"m", "length-meter"},
    {u"\u043c", "length-meter"},
    {u"g", "mass-gram"},
    {u"l", "volume-liter"},
    {u"L", "volume-liter"},
    {u"s", "duration-second"},
    {u"h", "duration-hour"},
    {u"\u0447", "duration-hour"},
    {u"W", "power-watt"},
    {u"V", "electric-volt"},
};

constexpr NumberSymbol kCurrencies[] = {
    {u"R$", "BRL"},     {u"US$", "USD"},    {u"\u20ac", "EUR"}, {u"$", "USD"},      {u"\u00a3", "GBP"},
    {u"\u00a5", "JPY"}, {u"\uffe5", "JPY"}, {u"\u20bd", "RUB"}, {u"\u20a9", "KRW"}, {u"EUR", "EUR"},
    {u"USD", "USD"},    {u"GBP", "GBP"},    {u"JPY", "JPY"},    {u"CNY", "CNY"},    {u"RUB", "RUB"},
    {u"KRW", "KRW"},    {u"BRL", "BRL"},    {u"CHF", "CHF"},
};

constexpr View kMagnitudes[]{u"thousand",
                             u"million",
                             u"billion",
                             u"trillion",
                             u"Millionen",
                             u"Million",
                             u"Milliarden",
                             u"Milliarde",
                             u"millions",
                             u"milliards",
                             u"millones",
                             u"mill\u00f3n",
                             u"milioni",
                             u"miliardi",
                             u"milh\u00f5es",
                             u"bilh\u00f5es",
                             u"\u043c\u0438\u043b\u043b\u0438\u043e\u043d\u043e\u0432",
                             u"\u043c\u0438\u043b\u043b\u0438\u0430\u0440\u0434\u043e\u0432"};

constexpr OrdinalEnding kEndings[] = {
    {"english", u"st", as(Spell::ordinal)},
    {"english", u"nd", as(Spell::ordinal)},
    {"english", u"rd", as(Spell::ordinal)},
    {"english", u"th", as(Spell::ordinal)},
    {"french", u"er", as(Spell::ordinal)},
    {"french", u"re", as(Spell::ordinal_feminine)},
    {"french", u"\u00e8re", as(Spell::ordinal_feminine)},
    {"french", u"e", as(Spell::ordinal)},
    {"french", u"\u00e8me", as(Spell::ordinal)},
    {"spanish", u".\u00ba", as(Spell::ordinal)},
    {"spanish", u".\u00aa", as(Spell::ordinal_feminine)},
    {"", u"\u00ba", as(Spell::ordinal)},
    {"", u"\u00aa", as(Spell::ordinal_feminine)},
    {"italian", u"\u00b0", as(Spell::ordinal)},
    {"russian", u"-\u0439", as(Spell::ordinal)},
    {"russian", u"-\u044f", as(Spell::ordinal_feminine)},
    {"russian", u"-\u0435", as(Spell::ordinal_neuter)},
    {"russian", u"-\u0433\u043e", as(Spell::ordinal_genitive)},
    {"korean", u"\ubc88\uc9f8", as(Spell::ordinal)},
};

}  // namespace

const NumberStyle* number_style(std::string_view language) {
  const auto found =
      std::ranges::find_if(kStyles, [&](const NumberStyle& s) { return language == s.language; });
  return found == std::end(kStyles) ? nullptr : &*found;
}

std::span<const NumberSymbol> unit_symbols() { return kUnits; }
std::span<const NumberSymbol> currency_symbols() { return kCurrencies; }
std::span<const std::u16string_view> magnitudes() { return kMagnitudes; }
std::span<const OrdinalEnding> ordinal_endings() { return kEndings; }

}  // namespace tts
