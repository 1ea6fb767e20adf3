// How much memory a checkpoint takes on a device that has its own: known from the tensor tables before a
// weight is read, asked for once, printed by `tts-gen --print-config`.
#pragma once

#include "engine/model.h"
#include "engine/quantize.h"
#include "kernels/arena.h"

#include <vector>

namespace tts {

// Upper bounds in bytes by name: weights as they will be placed, the codec's stream, and one utterance of
// kPlannedPositions. What goes beyond it (longer utterances, the encoders of reference clips) is taken when
// it is needed.
std::vector<Arena::Entry> device_plan(const Model& model, Quant quant, DType cache);
int64_t plan_bytes(const std::vector<Arena::Entry>& plan);

constexpr int kPlannedPositions{1024};  // about 75 s of speech

}  // namespace tts
