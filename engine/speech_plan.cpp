#include "engine/speech_plan.h"

#include "engine/numbers.h"

#include <algorithm>

namespace tts {

namespace {

int64_t characters_of(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

class SpeechPlanner {
 public:
  SpeechPlanner(const SpeechPlanRules& rules, const VoiceRules& voice, const Tokenizer& tokenizer)
      : rules_(rules), voice_(voice), tokenizer_(tokenizer) {}

  SpeechPlan plan(std::string_view text) {
    std::vector<SpeechPart> parts;
    if (rules_.markup == Markup::pauses) parts = parse_pauses(text);
    if (rules_.markup == Markup::ssml) parts = parse_ssml(text, {rules_.language, rules_.language_of});
    if (rules_.markup == Markup::none) parts.push_back({.text = std::string(text)});
    for (const SpeechPart& part : parts) add(part);
    return std::move(plan_);
  }

 private:
  void add(const SpeechPart& part) {
    const std::string& language = part.language.empty() ? rules_.language : part.language;
    const std::string text = spoken(part.text, language);
    const size_t before = plan_.chunks.size();
    const bool by_characters = voice_.max_characters > 0;
    const ChunkRules chunks{
        rules_.split, language,
        [&](std::string_view t) { return by_characters ? characters_of(t) : tokens_of(t); },
        by_characters ? voice_.max_characters : rules_.reach_tokens};
    for (const Chunk& chunk : plan_chunks(text, chunks)) {
      PlannedChunk planned{.text = text.substr(chunk.begin, chunk.end - chunk.begin),
                           .voice = part.voice,
                           .language = part.language};
      planned.text_tokens = static_cast<int>(tokens_of(planned.text));
      planned.expected_frames = 10 + 4 * planned.text_tokens;
      planned.ends_paragraph = chunk.ends_paragraph;
      planned.speakable = is_speakable(planned.text);
      plan_.chunks.push_back(std::move(planned));
    }
    if (by_characters && plan_.chunks.size() > before + 1)
      warn(format("this voice reaches {} characters at once: the text is spoken in several chunks",
                  voice_.max_characters));
    if (plan_.chunks.size() == before && part.pause_ms > 0)
      plan_.chunks.push_back({.voice = part.voice, .language = part.language});
    if (plan_.chunks.empty()) return;
    plan_.chunks.back().pause_ms += part.pause_ms;
    // The text of a part ends, but its paragraph does not unless the markup says so.
    if (rules_.markup == Markup::ssml) plan_.chunks.back().ends_paragraph = part.ends_paragraph;
  }

  std::string spoken(const std::string& text, const std::string& language) {
    std::string out = clean_text(text, rules_.clean);
    if (rules_.lexicon) out = rules_.lexicon->apply(out);
    if (rules_.numbers) return read_numbers(out, language);
    if (!voice_.spell_numbers || out.find_first_of("0123456789") == out.npos) return out;
    if (!can_read_numbers(language)) {
      warn(format("this voice cannot read digits, and they were left: language {} has no rules for them",
                  language));
      return out;
    }
    warn("this voice cannot read digits: they are spelled out");
    return read_numbers(out, language);
  }

  int64_t tokens_of(std::string_view text) const {
    return static_cast<int64_t>(tokenizer_.encode(text).size());
  }

  void warn(std::string text) {
    if (std::ranges::find(plan_.warnings, text) == plan_.warnings.end())
      plan_.warnings.push_back(std::move(text));
  }

  const SpeechPlanRules& rules_;
  const VoiceRules& voice_;
  const Tokenizer& tokenizer_;
  SpeechPlan plan_;
};

}  // namespace

SpeechPlan plan_speech(std::string_view text, const SpeechPlanRules& rules, const VoiceRules& voice,
                       const Tokenizer& tokenizer) {
  return SpeechPlanner(rules, voice, tokenizer).plan(text);
}

}  // namespace tts
