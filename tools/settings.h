// From words of the command line to what the engine takes.
#pragma once

#include "engine/synthesis.h"
#include "tools/items.h"
#include "tools/report.h"

namespace tts {

Log log_of(const Arguments& args);
// --model, TTS_MODEL, the embedded voice; Exit::usage with what to do when there is none.
std::string model_choice(const Arguments& args);
bool chose_model(const Arguments& args);  // --model or TTS_MODEL
LoadOptions load_options(const Arguments& args);
DeviceChoice device_choice(const Arguments& args);
Sampling sampling_of(const Arguments& args, const ModelConfig& config);
RunNeeds needs_of(const Arguments& args, const Model& model);  // of the longest utterance of this run
uint64_t draw_seed();
uint64_t seed_of_attempt(uint64_t seed, int attempt);  // attempt 0 is the seed itself

// The speaker that is meant: the named one, the checkpoint's first one, or "" for none.
std::string choose_speaker_name(const std::optional<std::string>& asked, const ModelConfig& config);
std::string language_name(const std::string& asked, const ModelConfig& config);  // ISO 639 codes become names

}  // namespace tts
