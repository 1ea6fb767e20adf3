// Takes out what was written for the eye. Off unless asked for; each kind by its name.
#pragma once

#include <string>
#include <string_view>

namespace tts {

struct CleanRules {
  bool markdown = false;  // marks of headings, emphasis, quotes, rules; links and pictures leave their text
  bool urls = false;      // an address leaves its host: "https://www.example.com/a?b" -> "example.com"
  bool emoji = false;     // pictographs with their joiners, skin tones and flags
  bool code = false;      // fenced blocks go, `inline` code leaves its text
};
// "markdown,urls,emoji,code"; another name is Exit::usage.
CleanRules parse_clean_rules(std::string_view list);

// Blanks beside what was taken out become one; line breaks stay.
std::string clean_text(std::string_view text, const CleanRules& rules);

}  // namespace tts
