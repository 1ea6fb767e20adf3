// The three configuration files of a random checkpoint: the published numbers, with the ids of a tokenizer
// put in.
#pragma once

#include "tokenizer/tokenizer.h"

#include <string>

namespace tts {

struct CheckpointFiles {
  std::string config, generation, codec;  // config.json, generation_config.json, speech_tokenizer/config.json
};
CheckpointFiles checkpoint_files(const std::string& size, const std::string& type,
                                 const Tokenizer& tokenizer);

}  // namespace tts
