// Speaking in tests: a tiny checkpoint in memory whose tensors can be replaced, and one call that returns
// everything.
#pragma once

#include "engine/clone.h"
#include "engine/synthesis.h"
#include "kernels/ops.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tts::test {

inline std::string golden_model(const std::string& name) {
  return std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/" + name;
}

// The loaded checkpoint with `change` applied to one matrix, as f32.
std::shared_ptr<Model> load_changed(const std::string& name, const std::function<void(Model&)>& change);
// Replaces a matrix by an f32 copy that the model owns; returns its values for changing.
float* own_copy(Model& model, Tensor& tensor);

struct Heard {
  Spoken spoken;
  std::vector<float> samples;
  std::vector<size_t> chunks;  // sizes as they were handed over
};
Heard hear(Engine& engine, const SpeakRequest& request);
Heard hear(const std::string& model, const std::string& device, const SpeakRequest& request, int threads = 1);

// A request with the checkpoint's own sampling values.
SpeakRequest request_for(const Model& model, const std::string& text);
SpeakRequest greedy_request_for(const Model& model, const std::string& text);

// A clip of the recordings as reference, with a transcript.
CloneRequest clone_of_recorded(const std::string& clip, int rate = 24000);

}  // namespace tts::test
