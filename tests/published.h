// The configuration of the five published checkpoints, made from a recorded model's by putting the published
// numbers in (spec of the model files, sections 2 and 7). Full size, without weights.
#pragma once

#include "engine/config.h"

#include <string>

namespace tts::test {

struct PublishedFiles {
  std::string config, generation, codec;
  ModelConfig parse() const { return parse_config({config, generation, codec, ""}); }
};

// `size`: "0b6" or "1b7"
PublishedFiles published_files(ModelType type, const std::string& size);

}  // namespace tts::test
