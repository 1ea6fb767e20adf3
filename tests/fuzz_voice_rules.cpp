#include "fuzz.h"

#include "base/limits.h"
#include "engine/model.h"

TTS_FUZZ(voice_rules) {
  using namespace tts;
  VoiceRules rules;
  if (!fuzz::accepts([&] { rules = parse_voice_rules(bytes, "voice.json"); })) return;
  fuzz::require(rules.max_characters >= 0 && rules.max_characters <= limits::kTextBytes,
                "a reach beyond the limit");
}
