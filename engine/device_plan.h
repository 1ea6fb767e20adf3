// How much memory a run takes on a device that has its own: known from the tensor tables before a weight is
// read, asked for once, printed by `tts-gen --print-config` and `-v`.
#pragma once

#include "engine/model.h"
#include "engine/quantize.h"
#include "engine/synthesis.h"
#include "engine/talker.h"

#include <vector>

namespace tts {

// Room of the longest utterance of a run.
MemoryShape planned_shape(const ModelConfig& config, const RunNeeds& needs, DType cache);
// Of the text table, for utterances of this shape.
int planned_text_rows(const ModelConfig& config, const MemoryShape& shape);

// Upper bounds in bytes by name: weights as they will be placed, tables, the codec's stream, one utterance of
// `shape` and, for `clips`, both encoders with the longest reference clip.
std::vector<Arena::Entry> device_plan(const Model& model, Quant quant, const MemoryShape& shape, bool clips);
int64_t plan_bytes(const std::vector<Arena::Entry>& plan);

}  // namespace tts
