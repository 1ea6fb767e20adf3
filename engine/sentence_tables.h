// The words that decide whether a full stop ends a sentence, for the ten languages together: their lists
// hardly disagree, and texts quote one language in another. Where they do disagree, `language` decides.
#pragma once

#include <string_view>

namespace tts {

enum class Abbreviation : unsigned char {
  none,
  always,   // a name or noun follows: "Dr. Who", "ca. Berlin"; never the end of a sentence
  number,   // a number follows: "No. 5", "S. 12"; otherwise an ordinary word
  may_end,  // "Inc.", "U.S.": the end only before a word that usually begins a sentence
  capital,  // "etc.", "usw.": the end before any capital
};

// `word` in lower case, without its last full stop.
Abbreviation abbreviation_of(std::u16string_view word, std::string_view language);

bool begins_sentences(std::u16string_view word);  // "The", "Der", "Il": capitalised
bool is_speech_verb(std::u16string_view word);    // "said" in `"Why?" John said.`
bool is_german_month(std::u16string_view word);
bool precedes_german_ordinal(std::u16string_view word);  // "am 3. Mai", "der 2. Versuch"; lower case

}  // namespace tts
