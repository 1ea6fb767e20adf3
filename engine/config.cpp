#include "engine/config.h"

#include "engine/codec_config.h"
#include "engine/config_fields.h"
#include "engine/model.h"

#include <algorithm>

namespace tts {

namespace {

constexpr int kControlIds{1024};  // the upper ids of the codec vocabulary: controls, languages, speakers
constexpr int kNameBytes{256};    // of a speaker or language

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string read_name(const std::string& key, const Json& value) {
  const std::string name = lower(key);
  const bool plain =
      std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  check(!name.empty() && name.size() <= kNameBytes && plain, Exit::bad_input,
        "{}: expected a name of 1..{} bytes without control characters, got {} bytes", value.where(),
        kNameBytes, name.size());
  return name;
}

// Names are compared with each other: their number is limited before that.
const std::vector<std::pair<std::string, Json>>& read_names(const Json& value) {
  const auto& members = value.members();
  check(static_cast<int64_t>(members.size()) <= limits::kNames, Exit::bad_input,
        "{}: expected at most {} names, got {}", value.where(), limits::kNames.value, members.size());
  return members;
}

void read_languages(TalkerConfig& t, const Json& object) {
  for (const auto& [key, id] : read_names(object.at("codec_language_id"))) {
    const std::string name = read_name(key, id);
    for (const Named& other : t.languages) {
      check(other.name != name, Exit::bad_input,
            "{}: expected every name once whatever its case, got it twice", id.where());
    }
    t.languages.push_back({name, static_cast<int>(id.integer(t.first_suppressed, t.dims.V - 1))});
  }
}

// spk_is_dialect holds false, or the language a speaker speaks whatever is asked for.
std::string read_dialect(const TalkerConfig& t, const Json* dialects, const std::string& key) {
  const Json* value = dialects == nullptr || dialects->is_null() ? nullptr : dialects->find(key);
  if (value == nullptr) return "";
  if (value->kind() == Json::Kind::boolean) {
    check(!value->boolean(), Exit::bad_input, "{}: expected false or the name of a language, got true",
          value->where());
    return "";
  }
  const std::string dialect = lower(value->text());
  const bool known =
      std::any_of(t.languages.begin(), t.languages.end(), [&](const Named& l) { return l.name == dialect; });
  check(known, Exit::bad_input, "{}: expected a key of codec_language_id, got {}", value->where(),
        value->brief());
  return dialect;
}

void read_speakers(TalkerConfig& t, const Json& object) {
  const Json* speakers = object.find("spk_id");
  if (speakers == nullptr || speakers->is_null()) return;
  const Json* dialects = object.find("spk_is_dialect");
  if (dialects != nullptr && !dialects->is_null()) read_names(*dialects);
  for (const auto& [key, id] : read_names(*speakers)) {
    const std::string name = read_name(key, id);
    for (const Speaker& other : t.speakers) {
      check(other.name != name, Exit::bad_input,
            "{}: expected every name once whatever its case, got it twice", id.where());
    }
    t.speakers.push_back({name, static_cast<int>(id.integer(t.first_suppressed, t.dims.V - 1)),
                          read_dialect(t, dialects, key)});
  }
}

// What every stack of the language model has in common and this engine does not compute otherwise.
void expect_plain_attention(const Json& object) {
  expect_text(object, "hidden_act", "silu");
  expect_boolean(object, "use_sliding_window", false);
  expect_boolean(object, "tie_word_embeddings", false);
  if (const Json* types = object.find("layer_types"); types != nullptr && !types->is_null()) {
    for (const Json& type : types->items()) {
      check(type.text() == "full_attention", Exit::bad_input, "{}: expected \"full_attention\", got {}",
            type.where(), type.brief());
    }
  }
  const Json* scaling = object.find("rope_scaling");
  if (scaling == nullptr || scaling->is_null()) return;
  expect_text(*scaling, "rope_type",
              "default");  // sections may differ: all three positions of a row are the same
  expect_text(*scaling, "type", "default");
}

TalkerConfig read_talker(const Json& object) {
  TalkerConfig t;
  t.dims = read_dims(object, "rms_norm_eps");
  expect_plain_attention(object);
  t.dims.V = read_int(object, "vocab_size", kControlIds + 1, limits::kVocabulary);
  t.first_suppressed = t.dims.V - kControlIds;
  t.text_width = read_int(object, "text_hidden_size", 1, limits::kHidden);
  t.text_vocabulary = read_int(object, "text_vocab_size", 2, limits::kVocabulary);
  t.groups = read_int(object, "num_code_groups", 2, limits::kCodeGroups);
  t.max_positions = read_int(object, "max_position_embeddings", 1, limits::kPositions);
  const auto control = [&](std::string_view key) {
    return read_int(object, key, t.first_suppressed, t.dims.V - 1);
  };
  t.pad = control("codec_pad_id");
  t.bos = control("codec_bos_id");
  t.eos = control("codec_eos_token_id");
  t.think = control("codec_think_id");
  t.nothink = control("codec_nothink_id");
  t.think_bos = control("codec_think_bos_id");
  t.think_eos = control("codec_think_eos_id");
  read_languages(t, object);
  read_speakers(t, object);
  return t;
}

Dims read_predictor(const Json& object, int groups) {
  Dims m = read_dims(object, "rms_norm_eps");
  expect_plain_attention(object);
  m.V = read_int(object, "vocab_size", 1, limits::kVocabulary);
  const int own = read_int(object, "num_code_groups", 2, limits::kCodeGroups);
  check(own == groups, Exit::bad_input, "{}: expected the talker's {}, got {}",
        object.at("num_code_groups").where(), groups, own);
  return m;
}

GenerationDefaults read_generation(const Json& file, int vocabulary) {
  GenerationDefaults g;
  const auto boolean = [&](bool& field, std::string_view key) {
    if (file.has(key)) field = file.at(key).boolean();
  };
  const auto number = [&](float& field, std::string_view key, double low, double high) {
    if (file.has(key)) field = static_cast<float>(read_number(file.at(key), low, high));
  };
  const auto integer = [&](int& field, std::string_view key, int64_t low, int64_t high) {
    if (file.has(key)) field = read_int(file, key, low, high);
  };
  constexpr double kAboveZero{
      1e-6};  // temperature and top_p are positive; this is the smallest that means anything
  boolean(g.do_sample, "do_sample");
  boolean(g.sub_do_sample, "subtalker_dosample");
  number(g.temperature, "temperature", kAboveZero, 2);
  number(g.sub_temperature, "subtalker_temperature", kAboveZero, 2);
  number(g.top_p, "top_p", kAboveZero, 1);
  number(g.sub_top_p, "subtalker_top_p", kAboveZero, 1);
  integer(g.top_k, "top_k", 0, vocabulary);
  integer(g.sub_top_k, "subtalker_top_k", 0, vocabulary);
  number(g.repetition_penalty, "repetition_penalty", 0.5, 2);
  integer(g.max_new_tokens, "max_new_tokens", 2, limits::kPositions);
  return g;
}

ModelType read_type(const Json& value) {
  for (const ModelType type : {ModelType::base, ModelType::custom_voice, ModelType::voice_design}) {
    if (value.text() == str(type)) return type;
  }
  throw Error(Exit::bad_input, "{}: expected \"base\", \"custom_voice\" or \"voice_design\", got {}",
              value.where(), value.brief());
}

std::string text_or_empty(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr || value->is_null() ? "" : value->text();
}

// What one file says about the other: codes that the language model may draw must exist in the codec, and
// codes that the codec's encoder may find must exist in the language model.
void check_agreement(const ModelConfig& c, const Json& codec) {
  const int drawn = std::max(c.talker.first_suppressed, c.predictor.V);
  const Json& decoder = codec.at("decoder_config");
  check(c.codec.groups == c.talker.groups, Exit::bad_input,
        "{}: expected {}, num_code_groups of config.json, got {}", decoder.at("num_quantizers").where(),
        c.talker.groups, c.codec.groups);
  check(drawn <= c.codec.codebook_size, Exit::bad_input,
        "{}: expected at least {}, the codes that config.json can draw, got {}",
        decoder.at("codebook_size").where(), drawn, c.codec.codebook_size);
  if (!c.codec_encoder) return;
  const CodecEncoderConfig& e = *c.codec_encoder;
  check(e.groups == c.talker.groups, Exit::bad_input,
        "{}: expected {}, num_code_groups of config.json, got {}",
        codec.at("encoder_valid_num_quantizers").where(), c.talker.groups, e.groups);
  const int accepted = std::min(c.talker.first_suppressed, c.predictor.V);
  check(e.codebook_size <= accepted, Exit::bad_input,
        "{}: expected at most {}, the codes that config.json knows, got {}",
        codec.at("encoder_config").at("codebook_size").where(), accepted, e.codebook_size);
  check(e.samples_per_frame == c.codec.samples_per_frame, Exit::bad_input,
        "{}: expected decode_upsample_rate {}, got {}", codec.at("encode_downsample_rate").where(),
        c.codec.samples_per_frame, e.samples_per_frame);
  check(e.sample_rate == c.codec.sample_rate, Exit::bad_input, "{}: expected output_sample_rate {}, got {}",
        codec.at("input_sample_rate").where(), c.codec.sample_rate, e.sample_rate);
}

}  // namespace

std::string_view str(ModelType type) {
  switch (type) {
    case ModelType::base:
      return "base";
    case ModelType::custom_voice:
      return "custom_voice";
    case ModelType::voice_design:
      return "voice_design";
  }
  return "?";
}

ModelConfig parse_config(const ConfigFiles& files) {
  const auto path = [&](const char* name) {
    return files.origin.empty() ? std::string(name) : files.origin + "/" + name;
  };
  const Json file = Json::parse(files.config, path("config.json"));
  const Json codec = Json::parse(files.codec, path("speech_tokenizer/config.json"));
  ModelConfig c;
  c.directory = files.origin;
  file.at("model_type");
  expect_text(file, "model_type", "qwen3_tts");
  expect_text(file, "tokenizer_type", "qwen3_tts_tokenizer_12hz");
  expect_text(codec, "model_type", "qwen3_tts_tokenizer_12hz");
  c.type = read_type(file.at("tts_model_type"));
  c.size = text_or_empty(file, "tts_model_size");
  c.library_version = text_or_empty(file, "transformers_version");
  const Json& talker = file.at("talker_config");
  c.talker = read_talker(talker);
  c.predictor = read_predictor(talker.at("code_predictor_config"), c.talker.groups);
  c.adapter = c.predictor.H != c.talker.dims.H;
  const auto text_id = [&](std::string_view key) {
    return read_int(file, key, 1, c.talker.text_vocabulary - 1);
  };
  c.tts_pad = text_id("tts_pad_token_id");
  c.tts_bos = text_id("tts_bos_token_id");
  c.tts_eos = text_id("tts_eos_token_id");
  c.im_start = text_id("im_start_token_id");
  c.im_end = text_id("im_end_token_id");
  c.assistant = text_id("assistant_token_id");
  c.codec = read_codec_decoder(codec);
  c.codec_encoder = read_codec_encoder(codec);
  // The type decides, not the key: fine-tuned checkpoints keep the key without the tensors.
  if (c.type == ModelType::base) {
    c.speaker_encoder = read_speaker_encoder(file, c.talker.dims.H, c.codec.sample_rate);
  }
  check_agreement(c, codec);
  c.generation =
      read_generation(Json::parse(files.generation, path("generation_config.json")), c.talker.dims.V);
  return c;
}

ModelConfig load_config(const std::string& directory) {
  const ModelFiles files = ModelFiles::open(directory);
  return parse_config({files.text("config.json"), files.text("generation_config.json"),
                       files.text("speech_tokenizer/config.json"), files.directory()});
}

const Speaker* find_speaker(const ModelConfig& config, std::string_view name) {
  const std::string wanted = lower(name);
  for (const Speaker& speaker : config.talker.speakers) {
    if (speaker.name == wanted) return &speaker;
  }
  return nullptr;
}

const Named* find_language(const ModelConfig& config, std::string_view name) {
  const std::string wanted = lower(name);
  for (const Named& language : config.talker.languages) {
    if (language.name == wanted) return &language;
  }
  return nullptr;
}

bool honours_instruct(const ModelConfig& config) {
  return !(config.type == ModelType::custom_voice && config.size == "0b6");
}

}  // namespace tts
