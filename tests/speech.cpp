#include "speech.h"

#include "recorded.h"

namespace tts::test {

float* own_copy(Model& model, Tensor& tensor) {
  const auto count = static_cast<size_t>(element_count(tensor.shape));
  model.owned.push_back(std::make_unique<std::byte[]>(count * sizeof(float)));
  auto* values = reinterpret_cast<float*>(model.owned.back().get());
  const int64_t rows = tensor.shape.rank == 1 ? 1 : tensor.shape[0];
  const int64_t columns = static_cast<int64_t>(count) / rows;
  Tensor matrix = tensor;
  matrix.shape = {rows, columns};
  for (int64_t r = 0; r < rows; ++r) widen_row(values + r * columns, matrix, r);
  tensor.data = values;
  tensor.dtype = DType::f32;
  return values;
}

std::shared_ptr<Model> load_changed(const std::string& name, const std::function<void(Model&)>& change) {
  std::shared_ptr<Model> model = load_model(golden_model(name));
  change(*model);
  return model;
}

Heard hear(Engine& engine, const SpeakRequest& request) {
  Heard heard;
  const auto keep = [&](std::span<const float> samples) {
    heard.samples.insert(heard.samples.end(), samples.begin(), samples.end());
    heard.chunks.push_back(samples.size());
  };
  heard.spoken = engine.speak(request, {.samples = keep, .progress = {}, .stop = {}});
  return heard;
}

Heard hear(const std::string& model, const std::string& device, const SpeakRequest& request, int threads) {
  DeviceChoice choice;
  choice.kind = device;
  choice.options.threads = threads;
  Engine engine(load_model(golden_model(model)), choice);
  return hear(engine, request);
}

SpeakRequest request_for(const Model& model, const std::string& text) {
  SpeakRequest request;
  request.text = text;
  request.sampling = defaults_of(model.config.generation);
  request.sampling.max_new_tokens = 16;
  request.seed = 7;
  return request;
}

SpeakRequest greedy_request_for(const Model& model, const std::string& text) {
  SpeakRequest request = request_for(model, text);
  request.sampling.greedy = request.sampling.sub_greedy = true;
  return request;
}

CloneRequest clone_of_recorded(const std::string& clip, int rate) {
  CloneRequest request;
  request.clip.samples = Recorded(kGoldens + "/audio.safetensors").floats(clip);
  request.clip.rate = rate;
  request.origin = clip + ".wav";
  request.transcript = "What the clip says.";
  return request;
}

}  // namespace tts::test
