#include "tools/random_checkpoint.h"

#include "base/file.h"
#include "base/limits.h"
#include "engine/model.h"
#include "engine/quantize.h"
#include "engine/tensor_writer.h"
#include "tools/checkpoint_config.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

namespace tts {

namespace {

namespace fs = std::filesystem;

uint64_t mixed(uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t key_of(std::string_view name, uint64_t seed) {  // FNV-1a
  uint64_t key = 0xcbf29ce484222325u ^ mixed(seed);
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return key;
}

uint64_t draw(uint64_t key, int64_t i) { return mixed(key + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u); }

// Sum of four uniform numbers, mean 0, variance 1: near enough to a normal number, and never beyond 3.47.
float normal(uint64_t bits) {
  const auto sum =
      static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
  return static_cast<float>((sum / 65536 - 2) * 1.7320508);
}

float usage(uint64_t bits) { return 0.5f + 7.5f * static_cast<float>(bits >> 40) * 0x1p-24f; }

// Weights of a product are gain / sqrt(terms) times a normal number. First match decides; 1 where nothing
// matches.
struct Gain {
  std::string_view part;
  double gain;
};
constexpr Gain kGains[] = {
    {"talker.codec_head.", 2}, {".lm_head.", 2},  // logits with a deviation of about 2
    {".text_projection.", 1}, {"small_to_mtp", 1}, {"talker.", 0.64},
    {"decoder.pre_conv", 0.7}, {"decoder.decoder.0.conv", 0.7}, {".conv1.conv.", 0.7}, {".conv2.conv.", 0.5},
    {"decoder.decoder.6.conv", 0.12}, {"rvq_rest.output_proj", 0.26}, {"speaker_encoder.blocks.", 1.2},
};

double gain_of(std::string_view name) {
  for (const Gain& row : kGains) {
    if (name.find(row.part) != name.npos) return row.gain;
  }
  return 1;
}

// Products that are added up in one output value; a transposed convolution meets each output taps / stride
// times.
double terms_of(std::string_view name, const Shape& shape) {
  const int64_t per_row = element_count(shape) / shape[0];
  if (!name.starts_with("decoder.")) return static_cast<double>(per_row);
  if (name.find(".block.1.conv.") != name.npos) return 2.0 * static_cast<double>(shape[0]);
  if (name.starts_with("decoder.upsample.") && name.find(".0.conv.") != name.npos)
    return static_cast<double>(shape[0]);
  return static_cast<double>(per_row);
}

struct Law {  // value = mean + deviation * normal
  double mean, deviation;
};
Law law_of(std::string_view name, const Shape& shape) {
  if (name.ends_with(".bias")) return {0, 0.02};
  if (name.ends_with(".scale")) return {0.2, 0.06};
  if (name.ends_with(".gamma")) return {0.3, 0.09};
  if (name.ends_with(".alpha")) return {0, 0.3};
  if (name.ends_with(".beta")) return {0.7, 0.3};
  if (name.ends_with(".initialized")) return {1, 0};
  if (shape.rank == 1) return {1, 0.1};  // norms
  if (name.find("_embedding.") != name.npos) return {0, 0.05};
  return {0, gain_of(name) / std::sqrt(terms_of(name, shape))};
}

bool is_codebook(std::string_view name) {
  return name.ends_with(".embedding_sum") || name.ends_with(".embed_sum");
}

// Visits an each() list and keeps name and values of every tensor.
struct Filler {
  std::vector<std::pair<std::string, Tensor>>& out;
  Owned& owned;
  DType dtype;
  uint64_t seed;
  int silent_row = -1;  // of the talker's head: the end token

  float value(std::string_view name, uint64_t key, int64_t i, const Shape& shape, const Law& law) const {
    if (name.ends_with(".cluster_usage")) return usage(draw(key, i));
    if (is_codebook(name)) {  // stored times the usage of its row, so that a missing division shows
      const std::string companion = std::string(name.substr(0, name.rfind('.'))) + ".cluster_usage";
      return normal(draw(key, i)) * usage(draw(key_of(companion, seed), i / shape[1]));
    }
    return static_cast<float>(law.mean + law.deviation * static_cast<double>(normal(draw(key, i))));
  }

  void operator()(Tensor&, std::string_view name, const Shape& shape) const {
    const int64_t count = element_count(shape);
    owned.push_back(std::make_unique<std::byte[]>(static_cast<size_t>(byte_size(dtype, shape))));
    std::byte* to = owned.back().get();
    const uint64_t key = key_of(name, seed);
    const Law law = law_of(name, shape);
    const bool head = silent_row >= 0 && name == "talker.codec_head.weight";
    for (int64_t i = 0; i < count; ++i) {
      const float x = head && i / shape[1] == silent_row ? 0.0f : value(name, key, i, shape, law);
      const uint16_t half = round_to_bf16(x).bits;
      if (dtype == DType::f32) {
        std::memcpy(to + i * 4, &x, 4);
      } else {
        std::memcpy(to + i * 2, &half, 2);
      }
    }
    out.emplace_back(std::string(name), Tensor{to, dtype, shape, nullptr});
  }
};

void write_language(const std::string& path, const ModelConfig& config, uint64_t seed) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  Owned owned;
  const Filler fill{tensors, owned, DType::bf16, seed, config.talker.eos};
  TalkerWeights().each(config.talker, fill);
  PredictorWeights().each(config, fill);
  if (config.speaker_encoder) SpeakerEncoderWeights().each(*config.speaker_encoder, fill);
  write_safetensors(path, std::move(tensors));
}

void write_codec(const std::string& path, const ModelConfig& config, uint64_t seed) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  Owned owned;
  const Filler fill{tensors, owned, DType::f32, seed};
  CodecDecoderWeights().each(config.codec, fill);
  CodecEncoderWeights().each(*config.codec_encoder, fill);
  write_safetensors(path, std::move(tensors));
}

}  // namespace

void write_random_checkpoint(const RandomCheckpoint& wanted) {
  const std::string& to = wanted.directory;
  check(!fs::exists(to), Exit::output, "{}: exists; name a new directory", to);
  check(wanted.tokenizer != "embedded" || has_embedded_voice(), Exit::usage,
        "--tokenizer: this build carries no voice to take the tokenizer from; name a directory with "
        "vocab.json, merges.txt "
        "and tokenizer_config.json");
  const ModelFiles from = ModelFiles::open(wanted.tokenizer);
  const CheckpointFiles files =
      checkpoint_files(wanted.size, wanted.type, load_tokenizer(from, Pretokenizer::standard));
  const ModelConfig config = parse_config({files.config, files.generation, files.codec, to});
  std::error_code error;
  fs::create_directories(to + "/speech_tokenizer", error);
  check(!error, Exit::output, "{}: cannot be made: {}", to, error.message());
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    write_file(to + "/" + name, from.text(name));
  write_language(to + "/model.safetensors", config, wanted.seed);
  write_codec(to + "/speech_tokenizer/model.safetensors", config, wanted.seed);
  write_file(to + "/speech_tokenizer/config.json", files.codec);
  write_file(to + "/generation_config.json", files.generation);
  write_file(to + "/config.json", files.config);
}

}  // namespace tts
