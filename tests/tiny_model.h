// Writes complete small checkpoints through the same each() lists that the engine binds, for tests of
// loading. Their configuration and vocabulary are those of a recorded model (tests/goldens/models); the
// weights are random.
#pragma once

#include "engine/config.h"
#include "engine/weights.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tts::test {

std::string golden_model(const std::string& name);  // directory of a recorded model

struct Edit {
  std::string path;   // "talker_config.spk_id", "decoder_config.upsample_rates[0]"
  std::string value;  // as it stands in JSON; empty: the key is taken out
};
// `json` with one value replaced, added or taken out.
std::string edit_json(std::string_view json, const Edit& edit);

struct TensorBytes {
  std::string name;
  std::string dtype;  // as in the file: tests write types that do not exist
  Shape shape;
  std::string bytes;
};
// `header_bytes`: the header is filled up with spaces to this size, which decides how the data is aligned.
std::string safetensors_file(const std::vector<TensorBytes>& tensors, size_t header_bytes = 0);

struct TinyModel {
  std::string like = "tiny-base";
  std::vector<Edit> config, codec;  // edits of config.json and speech_tokenizer/config.json
  DType dtype = DType::bf16, codec_dtype = DType::f32;
  bool codec_encoder = true;
  int shards = 1;         // of model.safetensors
  size_t odd_header = 0;  // added to a header length that is a multiple of 8
  std::function<void(std::vector<TensorBytes>&)> damage, damage_codec;  // before the files are written
};
void write_tiny_model(const std::string& directory, const TinyModel& model = {});

// The tensors of one file with random values: the language model (and speaker encoder), or the codec.
std::vector<TensorBytes> language_tensors(const ModelConfig& config, DType dtype);
std::vector<TensorBytes> codec_tensors(const ModelConfig& config, DType dtype, bool encoder);

// Value i of a tensor, in [-0.25, 0.25), the same in every dtype (a multiple of 2^-8).
float tiny_value(std::string_view name, int64_t i);

}  // namespace tts::test
