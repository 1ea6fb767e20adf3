// Text with instructions in it: "[pause 500ms]", and a small part of SSML.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct SpeechPart {
  std::string text = {};        // may be empty: then only the pause counts
  int pause_ms = 0;             // silence after the text
  bool ends_sentence = false;   // </s>
  bool ends_paragraph = false;  // </p>
  std::string voice = {};       // SSML voice; empty: the one of the request
  std::string language = {};    // name as in the checkpoint; empty: the one of the request
};

// "[pause 500ms]", "[pause 1.5s]"; "[[" is a bracket. Another "[pause ...]" is Exit::bad_input with its byte
// offset; other brackets are text.
std::vector<SpeechPart> parse_pauses(std::string_view text);

// speak, p, s, break (time, strength), sub (alias), say-as (interpret-as: cardinal, number, ordinal,
// characters, spell-out, digits, date with format ymd, dmy, mdy, md, dm), voice (name), lang (xml:lang).
// Everything else is refused by name and position ("ssml: line 3, column 7: ..."), as are more than 16 levels
// and entities beyond the five.
struct SsmlRules {
  std::string language = "auto";  // what say-as reads in until xml:lang says otherwise
  std::function<std::string(std::string_view)> language_of;  // "de-AT" -> "german"; empty: unknown
};
std::vector<SpeechPart> parse_ssml(std::string_view xml, const SsmlRules& rules);

// "500ms", "1.5s"; nothing beyond limits::kPauseMs.
std::optional<int> parse_duration_ms(std::string_view text);

}  // namespace tts
