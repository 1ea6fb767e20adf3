// A checkpoint of the published geometry with random weights, for measurements without the published files:
// every tensor of the lists has its name, shape and type, and values of a sensible size; what it says is
// noise. The row of the end token in the talker's head is zero, so that no run with the usual sampling ends
// by itself.
#pragma once

#include <cstdint>
#include <string>

namespace tts {

struct RandomCheckpoint {
  std::string directory;                // must not exist
  std::string size = "0.6b";            // 0.6b, 1.7b, or tiny for tests
  std::string type = "custom_voice";    // base, custom_voice, voice_design
  std::string tokenizer = "embedded";   // directory with vocab.json, merges.txt, tokenizer_config.json
  uint64_t seed = 0;
};
void write_random_checkpoint(const RandomCheckpoint& wanted);

}  // namespace tts
