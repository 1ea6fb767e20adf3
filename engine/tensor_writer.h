// Writes a safetensors file (format: engine/safetensors.h). Tensors are laid out by falling element size, so
// that every one begins at a multiple of its own.
#pragma once

#include "engine/safetensors.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tts {

// Plain element types only; a quantised matrix is given as its bytes and its scales.
void write_safetensors(const std::string& path, std::vector<std::pair<std::string, Tensor>> tensors);

}  // namespace tts
