// How much memory a checkpoint takes on a device that has its own: known from the tensor tables before a
// weight is read, asked for once, printed by `tts-gen --print-config`.
#pragma once

#include "engine/model.h"
#include "engine/quantize.h"
#include "kernels/arena.h"

#include <vector>

namespace tts {

// Upper bounds in bytes by name: weights as they will be placed, the codec's stream, and one utterance of
// `positions`. The encoders of reference clips are not in it: the first clip opens them, and their memory
// grows with its length. Neither is a text that is not split and longer than a safe chunk.
std::vector<Arena::Entry> device_plan(const Model& model, Quant quant, DType cache, int positions);
int64_t plan_bytes(const std::vector<Arena::Entry>& plan);

// Of a safe chunk of text behind the longest reference clip, with at most `frames`; 0: as many as the guard
// and the checkpoint's own limit allow.
int planned_positions(const ModelConfig& config, int frames);

}  // namespace tts
