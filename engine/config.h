// config.json, generation_config.json and speech_tokenizer/config.json as plain structs. Every rule of the
// specification (spec/model-files.md) is checked here; nothing is defaulted that describes a model, and no
// id, speaker, language or dimension exists anywhere else.
#pragma once

#include "base/types.h"
#include "codec/config.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tts {

enum class ModelType : uint8_t { base, custom_voice, voice_design };
std::string_view str(ModelType type);  // "base", "custom_voice", "voice_design"

struct Named {
  std::string name;  // lower case
  int id;
};
struct Speaker {
  std::string name;  // lower case
  int id;
  std::string dialect;  // key of `languages`, or empty
};

struct TalkerConfig {
  Dims dims;           // V: codec vocabulary, logits
  int text_width = 0;  // Ht
  int text_vocabulary = 0;
  int groups = 0;  // K
  int max_positions = 0;
  int pad = 0, bos = 0, eos = 0, think = 0, nothink = 0, think_bos = 0, think_eos = 0;  // codec-channel ids
  int first_suppressed = 0;                                                             // V - 1024
  std::vector<Named> languages;  // dialects included, in file order
  std::vector<Speaker> speakers;
};

struct GenerationDefaults {  // generation_config.json; hard fall-backs of spec/sampling.md section 1 where a
                             // key is absent
  bool do_sample = true, sub_do_sample = true;
  float temperature = 0.9f, sub_temperature = 0.9f;
  float top_p = 1.0f, sub_top_p = 1.0f;
  int top_k = 50, sub_top_k = 50;
  float repetition_penalty = 1.05f;
  int max_new_tokens = 2048;
};

struct ModelConfig {
  std::string directory;
  ModelType type = ModelType::base;
  std::string size;             // "0b6", "1b7"
  std::string library_version;  // transformers_version, or empty
  TalkerConfig talker;
  Dims predictor;        // V: codes per group
  bool adapter = false;  // small_to_mtp_projection exists: predictor.H != talker.H
  int tts_pad = 0, tts_bos = 0, tts_eos = 0, im_start = 0, im_end = 0, assistant = 0;  // text-channel ids
  std::optional<SpeakerEncoderConfig> speaker_encoder;                                 // type base only
  CodecDecoderConfig codec;
  std::optional<CodecEncoderConfig> codec_encoder;
  GenerationDefaults generation;
};

ModelConfig load_config(const std::string& directory);

// Text of the files instead of a directory: for tests and fuzzing.
struct ConfigFiles {
  std::string_view config, generation, codec;
  std::string origin;
};
ModelConfig parse_config(const ConfigFiles& files);

const Speaker* find_speaker(const ModelConfig& config,
                            std::string_view name);  // case-insensitive; nullptr: unknown
const Named* find_language(const ModelConfig& config,
                           std::string_view name);  // case-insensitive; nullptr: unknown
bool honours_instruct(const ModelConfig& config);   // the official test: not custom_voice of size 0b6

}  // namespace tts
