// What `tts-gen inspect` says about a checkpoint: configuration, tensors as they are stored, parameters,
// bytes, memory of a session. The model was loaded before, so whatever loading refuses is refused here too.
#pragma once

#include "engine/model.h"

#include <string>

namespace tts {

std::string inspect_text(const Model& model);
std::string inspect_json(const Model& model);  // one line

}  // namespace tts
