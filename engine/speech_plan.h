// From the text of an item to what is spoken in one go: markup, cleaning, lexicon, numbers, then chunks.
#pragma once

#include "engine/chunks.h"
#include "engine/clean.h"
#include "engine/lexicon.h"
#include "engine/markup.h"
#include "engine/model.h"

#include <optional>

namespace tts {

enum class Markup : uint8_t { none, pauses, ssml };

inline constexpr int kSafeTokens{200};  // 810 frames, 65 s
inline constexpr int kCarryTokens{60};  // 250 frames, 20 s: what was said leads on what follows

struct SpeechPlanRules {
  std::string language = "auto";
  SplitMode split = SplitMode::automatic;
  Markup markup = Markup::none;
  CleanRules clean = {};
  bool numbers = false;
  int reach_tokens = kSafeTokens;  // of a chunk
  std::optional<Lexicon> lexicon = {};
  std::function<std::string(std::string_view)> language_of = {};  // of xml:lang
};

struct PlannedChunk {
  std::string text = {};  // as it is spoken
  int text_tokens = 0;
  int expected_frames = 0;  // healthy speech: 10 + 4 per token
  int pause_ms = 0;         // written in the text, behind this chunk
  bool ends_paragraph = false;
  bool speakable = false;                 // punctuation alone is skipped
  std::string voice = {}, language = {};  // of SSML; empty: those of the request
};

struct SpeechPlan {
  std::vector<PlannedChunk> chunks;
  std::vector<std::string> warnings;  // rules that the voice declares for itself and that changed something
};

// A chunk stays within about a minute of speech, a tenth of the frames an item may have; a voice that reaches
// less says so in its voice.json, as does one that cannot read digits.
SpeechPlan plan_speech(std::string_view text, const SpeechPlanRules& rules, const VoiceRules& voice,
                       const Tokenizer& tokenizer);

}  // namespace tts
