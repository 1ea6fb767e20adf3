// A text that is spoken in several chunks and joined: the plan out of the options, and the seeds.
#pragma once

#include "engine/speech_plan.h"
#include "engine/subtitles.h"
#include "tools/cli.h"

#include <cstdint>
#include <string>

namespace tts {

struct TextCare {  // read once per run
  SpeechPlanRules rules;
  double gap_ms = 0, paragraph_gap_ms = 0;
};
TextCare text_care_of(const Arguments& args);

void check_speakable(const std::string& text);  // Exit::bad_input

// Exit::bad_input when a sentence is longer than an item may be: such a text was not meant to be spoken.
SpeechPlan plan_item(const TextCare& care, const std::string& text, const std::string& language,
                     const Model& model);
bool is_single(const SpeechPlan& plan);               // spoken as one item, as it is

// A chunk is known by its words, and by how often they were spoken before: what is put in front of it does
// not change how it sounds.
uint64_t seed_of_chunk(uint64_t seed, std::string_view text, int repeat);
int print_chunks(const Arguments& args);

}  // namespace tts
