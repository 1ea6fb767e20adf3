// Checkpoint -> quantised checkpoint: every file is copied, the matrices of the language model are rounded.
#pragma once

#include "engine/agreement.h"

#include <string>

namespace tts {

// `to` must not exist. Leaves quantization.json beside the files: format and agreement with the original per
// code group.
void quantize_checkpoint(const std::string& from, const std::string& to, Quant quant,
                         const DeviceOptions& options, int frames);

}  // namespace tts
