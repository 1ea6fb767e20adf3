#include "engine/markup.h"

#include "base/error.h"
#include "base/limits.h"
#include "tokenizer/tokenizer.h"

#include <charconv>

namespace tts {

std::optional<int> parse_duration_ms(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc() || text[0] == '-' || !(unit == "ms" || unit == "s")) return {};
  const double ms = unit == "s" ? 1000 * value : value;
  if (!(ms >= 0 && ms <= limits::kPauseMs)) return {};
  return static_cast<int>(ms + 0.5);
}

std::vector<SpeechPart> parse_pauses(std::string_view text) {
  constexpr std::string_view kBegin{"[pause"};
  const size_t invalid = first_invalid_utf8(text);
  check(invalid == text.npos, Exit::bad_input, "text: byte {}: expected UTF-8", invalid);
  std::vector<SpeechPart> parts(1);
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("[[")) {
      parts.back().text += '[';
      at += 2;
    } else if (rest.starts_with(kBegin) && rest.size() > kBegin.size() &&
               (rest[6] == ' ' || rest[6] == ']')) {
      const size_t close = rest.substr(0, 40).find(']');
      const auto pause =
          close == rest.npos ? std::nullopt : parse_duration_ms(rest.substr(7, close < 7 ? 0 : close - 7));
      check(pause.has_value(), Exit::bad_input,
            "text: byte {}: expected [pause N ms or s, at most {} s], got \"{}\"; write [[ for a bracket", at,
            limits::kPauseMs / 1000, printable(rest.substr(0, close == rest.npos ? 20 : close + 1)));
      parts.back().pause_ms = *pause;
      parts.emplace_back();
      at += close + 1;
    } else {
      const size_t next = std::min(text.find('[', at + 1), text.size());
      parts.back().text += text.substr(at, next - at);
      at = next;
    }
  }
  if (parts.size() > 1 && parts.back().text.empty()) parts.pop_back();
  return parts;
}

}  // namespace tts
