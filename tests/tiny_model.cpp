#include "tiny_model.h"

#include "base/file.h"
#include "base/json.h"
#include "codec/weights.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace tts::test {

namespace {

std::string print(const Json& value, const std::string& path, const Edit& edit, bool& done);

std::string print_object(const Json& value, const std::string& path, const Edit& edit, bool& done) {
  std::string out;
  const auto add = [&](std::string_view key, const std::string& text) {
    out += (out.empty() ? "" : ",") + JsonWriter().value(key).str() + ":" + text;
  };
  for (const auto& [key, member] : value.members()) {
    const std::string child = path.empty() ? key : path + "." + key;
    if (child != edit.path) {
      add(key, print(member, child, edit, done));
      continue;
    }
    done = true;
    if (!edit.value.empty()) add(key, edit.value);
  }
  const size_t dot = edit.path.rfind('.');
  const std::string parent = dot == edit.path.npos ? "" : edit.path.substr(0, dot);
  if (!done && parent == path) {  // a new key; one that is taken out though absent is fine too
    done = true;
    if (!edit.value.empty()) add(edit.path.substr(dot + 1), edit.value);
  }
  return "{" + out + "}";
}

std::string print_array(const Json& value, const std::string& path, const Edit& edit, bool& done) {
  std::string out;
  for (size_t i = 0; i < value.items().size(); ++i) {
    const std::string child = format("{}[{}]", path, i);
    const bool here = child == edit.path;
    done = done || here;
    const std::string text = here ? edit.value : print(value.items()[i], child, edit, done);
    if (!text.empty()) out += (out.empty() ? "" : ",") + text;
  }
  return "[" + out + "]";
}

std::string print(const Json& value, const std::string& path, const Edit& edit, bool& done) {
  switch (value.kind()) {
    case Json::Kind::object:
      return print_object(value, path, edit, done);
    case Json::Kind::array:
      return print_array(value, path, edit, done);
    case Json::Kind::text:
      return JsonWriter().value(std::string_view(value.text())).str();
    default:
      return value.brief();  // short enough to be complete
  }
}

uint64_t hash_of(std::string_view name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

uint16_t to_f16(float value) {  // of multiples of 2^-8 below 0.25: normal numbers or zero
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) == 0) return 0;
  return static_cast<uint16_t>((bits >> 16 & 0x8000u) | (((bits >> 23 & 0xffu) - 112u) << 10) |
                               (bits >> 13 & 0x3ffu));
}

struct Writer {
  std::vector<TensorBytes>& out;
  DType dtype;

  void operator()(Tensor&, std::string_view name, const Shape& shape) const {
    TensorBytes tensor{std::string(name), std::string(str(dtype)), shape,
                       std::string(static_cast<size_t>(byte_size(dtype, shape)), '\0')};
    char* to = tensor.bytes.data();
    for (int64_t i = 0; i < element_count(shape); ++i) {
      const float value = tiny_value(name, i);
      if (dtype == DType::f32) {
        std::memcpy(to + i * 4, &value, 4);
      } else {
        const uint16_t half = dtype == DType::bf16 ? round_to_bf16(value).bits : to_f16(value);
        std::memcpy(to + i * 2, &half, 2);
      }
    }
    out.push_back(std::move(tensor));
  }
};

// With a header whose length is a multiple of 8, as published files have it, plus `odd`.
std::string padded_file(const std::vector<TensorBytes>& tensors, size_t odd) {
  size_t header = safetensors_file(tensors).size() - 8;
  for (const TensorBytes& tensor : tensors) header -= tensor.bytes.size();
  return safetensors_file(tensors, (header + 7) / 8 * 8 + odd);
}

void write_shards(const std::string& directory, std::vector<TensorBytes> tensors, const TinyModel& model) {
  if (model.shards == 1)
    return write_file(directory + "/model.safetensors", padded_file(tensors, model.odd_header));
  const size_t each =
      (tensors.size() + static_cast<size_t>(model.shards) - 1) / static_cast<size_t>(model.shards);
  JsonWriter index;
  index.begin_object()
      .key("metadata")
      .begin_object()
      .field("total_size", 0)
      .end_object()
      .key("weight_map")
      .begin_object();
  for (int s = 0; s < model.shards; ++s) {
    const std::string name = format("model-0000{}-of-0000{}.safetensors", s + 1, model.shards);
    const size_t begin = static_cast<size_t>(s) * each, end = std::min(begin + each, tensors.size());
    const std::vector<TensorBytes> part(tensors.begin() + static_cast<ptrdiff_t>(begin),
                                        tensors.begin() + static_cast<ptrdiff_t>(end));
    for (const TensorBytes& tensor : part) index.field(tensor.name, std::string_view(name));
    write_file(directory + "/" + name, padded_file(part, model.odd_header));
  }
  write_file(directory + "/model.safetensors.index.json", index.end_object().end_object().str());
}

}  // namespace

std::string golden_model(const std::string& name) {
  return std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/" + name;
}

std::string edit_json(std::string_view json, const Edit& edit) {
  bool done = false;
  std::string text = print(Json::parse(json, "edited"), "", edit, done);
  check(done, Exit::internal, "edit_json: no place {}", edit.path);
  return text;
}

float tiny_value(std::string_view name, int64_t i) {
  uint64_t mixed = hash_of(name) + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 31) * 0xbf58476d1ce4e5b9u;
  return static_cast<float>(static_cast<int>(mixed >> 57) - 64) / 256.0f;
}

std::string safetensors_file(const std::vector<TensorBytes>& tensors, size_t header_bytes) {
  JsonWriter json;
  json.begin_object().key("__metadata__").begin_object().field("format", "pt").end_object();
  int64_t at = 0;
  std::string data;
  for (const TensorBytes& tensor : tensors) {
    json.key(tensor.name)
        .begin_object()
        .field("dtype", std::string_view(tensor.dtype))
        .key("shape")
        .begin_array();
    for (int axis = 0; axis < tensor.shape.rank; ++axis) json.value(tensor.shape[axis]);
    json.end_array().key("data_offsets").begin_array().value(at);
    at += static_cast<int64_t>(tensor.bytes.size());
    json.value(at).end_array().end_object();
    data += tensor.bytes;
  }
  std::string header = json.end_object().str();
  header.resize(std::max(header.size(), header_bytes), ' ');
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

std::vector<TensorBytes> language_tensors(const ModelConfig& config, DType dtype) {
  std::vector<TensorBytes> tensors;
  const Writer writer{tensors, dtype};
  TalkerWeights().each(config.talker, writer);
  PredictorWeights().each(config, writer);
  if (config.speaker_encoder) SpeakerEncoderWeights().each(*config.speaker_encoder, writer);
  return tensors;
}

std::vector<TensorBytes> codec_tensors(const ModelConfig& config, DType dtype, bool encoder) {
  std::vector<TensorBytes> tensors;
  const Writer writer{tensors, dtype};
  CodecDecoderWeights().each(config.codec, writer);
  if (encoder && config.codec_encoder) CodecEncoderWeights().each(*config.codec_encoder, writer);
  return tensors;
}

void write_tiny_model(const std::string& directory, const TinyModel& model) {
  const std::string from = golden_model(model.like);
  std::filesystem::create_directories(directory + "/speech_tokenizer");
  const auto load = [&](const char* name, const std::vector<Edit>& edits) {
    std::string text = read_text(from + "/" + name, limits::kJsonBytes);
    for (const Edit& edit : edits) text = edit_json(text, edit);
    write_file(directory + "/" + name, text);
    return text;
  };
  const std::string config = load("config.json", model.config);
  const std::string codec = load("speech_tokenizer/config.json", model.codec);
  const std::string generation = load("generation_config.json", {});
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    std::filesystem::copy_file(from + "/" + name, directory + "/" + name);
  }
  const ModelConfig parsed = parse_config({config, generation, codec, directory});
  std::vector<TensorBytes> language = language_tensors(parsed, model.dtype);
  std::vector<TensorBytes> speech = codec_tensors(parsed, model.codec_dtype, model.codec_encoder);
  if (model.damage) model.damage(language);
  if (model.damage_codec) model.damage_codec(speech);
  write_shards(directory, std::move(language), model);
  write_file(directory + "/speech_tokenizer/model.safetensors", padded_file(speech, 0));
}

}  // namespace tts::test
