// Every integer of the configuration that the engine reads, tried with every value of the list of bad ones:
// each is refused, with the exact message. Where the specification gives a default the key may be absent, and
// 0 is accepted where it is a meaning of its own; that is the only thing the table lets pass.
#include "catch.h"
#include "refusal.h"
#include "tiny_model.h"

#include "base/file.h"
#include "base/limits.h"

#include <iostream>
#include <map>

using namespace tts;
using namespace tts::test;

namespace {

enum class Absent { refused, allowed };

struct Field {
  std::string path;
  int64_t low, high;
  Absent absent = Absent::refused;
};

struct Files {
  std::map<std::string, std::string> text;  // by name
  explicit Files(const std::string& model) {
    for (const char* name : {"config.json", "generation_config.json", "speech_tokenizer/config.json"}) {
      text[name] = read_text(golden_model(model) + "/" + name, limits::kJsonBytes);
    }
  }
  ModelConfig parse() const {
    return parse_config({text.at("config.json"), text.at("generation_config.json"),
                         text.at("speech_tokenizer/config.json"), ""});
  }
};

const std::string kNoSuchInteger = "18446744073709551616";

// JSON text of the bad value, and how a message describes it. "": absent.
const std::vector<std::pair<std::string, std::string>> kBad = {
    {"0", "0"},
    {"-1", "-1"},
    {"2.5", "2.5"},
    {"\"3\"", "\"3\""},
    {"null", "null"},
    {"[]", "an array"},
    {"{}", "an object"},
    {"true", "true"},
    {"1000000000", "1000000000"},
    {"2147483648", "2147483648"},
    {"9223372036854775808", "9223372036854775808"},
    {kNoSuchInteger, kNoSuchInteger},
    {"", ""},
};

struct Tally {
  int refused = 0, exact = 0, allowed = 0;
};

std::string wanted_message(const std::string& name, const Field& field, const std::string& description) {
  if (description.empty()) return format("{}: {}: expected a value, the key is absent", name, field.path);
  return format("{}: {}: expected an integer in {}..{}, got {}", name, field.path, field.low, field.high,
                description);
}

void try_all(const std::string& model, const std::string& name, const std::vector<Field>& fields,
             Tally& tally) {
  const Files good(model);
  for (const Field& field : fields) {
    for (const auto& [value, description] : kBad) {
      Files files = good;
      files.text[name] = edit_json(good.text.at(name), {field.path, value});
      const Refusal refusal = refusal_of([&] { files.parse(); });
      INFO(name << " " << field.path << " = " << value);
      const bool fine = value.empty() ? field.absent == Absent::allowed : value == "0" && field.low == 0;
      if (fine) {
        CHECK(refusal.exit == Exit::ok);
        ++tally.allowed;
        continue;
      }
      CHECK(refusal.exit == Exit::bad_input);
      // An element taken out of a list leaves a shorter list, and enc_dim taken out its default: other rules
      // break.
      const bool element = value.empty() && (field.path.ends_with(']') || field.path.ends_with("enc_dim"));
      if (!element) CHECK(refusal.message == wanted_message(name, field, description));
      ++tally.refused;
      tally.exact += element ? 0 : 1;
    }
  }
}

std::vector<Field> stack(const std::string& at) {
  return {{at + "hidden_size", 1, limits::kHidden},        {at + "intermediate_size", 1, limits::kMlpWidth},
          {at + "num_hidden_layers", 1, limits::kLayers},  {at + "num_attention_heads", 1, limits::kHeads},
          {at + "num_key_value_heads", 1, limits::kHeads}, {at + "head_dim", 2, limits::kHeadWidth}};
}

std::vector<Field> operator+(std::vector<Field> a, const std::vector<Field>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Field> language_fields(const ModelConfig& c) {
  const std::string t = "talker_config.", p = t + "code_predictor_config.";
  std::vector<Field> fields = stack(t) + stack(p);
  fields = fields + std::vector<Field>{{t + "vocab_size", 1025, limits::kVocabulary},
                                       {t + "text_vocab_size", 2, limits::kVocabulary},
                                       {t + "text_hidden_size", 1, limits::kHidden},
                                       {t + "num_code_groups", 2, limits::kCodeGroups},
                                       {t + "max_position_embeddings", 1, limits::kPositions},
                                       {p + "vocab_size", 1, limits::kVocabulary},
                                       {p + "num_code_groups", 2, limits::kCodeGroups}};
  for (const char* key : {"tts_pad_token_id", "tts_bos_token_id", "tts_eos_token_id", "im_start_token_id",
                          "im_end_token_id", "assistant_token_id"}) {
    fields.push_back({key, 1, c.talker.text_vocabulary - 1});
  }
  for (const char* key : {"codec_pad_id", "codec_bos_id", "codec_eos_token_id", "codec_think_id",
                          "codec_nothink_id", "codec_think_bos_id", "codec_think_eos_id"}) {
    fields.push_back({t + key, c.talker.first_suppressed, c.talker.dims.V - 1});
  }
  return fields;
}

std::vector<Field> speaker_encoder_fields() {
  const std::string s = "speaker_encoder_config.";
  constexpr Absent kAllowed{Absent::allowed};
  return {{s + "enc_dim", 1, limits::kHidden},  // its default is not the width of this model
          {s + "sample_rate", limits::kClipMinRate, limits::kClipMaxRate, kAllowed},
          {s + "mel_dim", 1, 512, kAllowed},
          {s + "enc_attention_channels", 1, limits::kCodecChannels, kAllowed},
          {s + "enc_res2net_scale", 2, limits::kConvTaps, kAllowed},
          {s + "enc_se_channels", 1, limits::kCodecChannels, kAllowed},
          {s + "enc_channels[0]", 1, limits::kCodecChannels},
          {s + "enc_channels[4]", 1, limits::kCodecChannels}};
}

std::vector<Field> codec_fields() {
  const std::string d = "decoder_config.", e = "encoder_config.";
  std::vector<Field> fields = stack(d) + stack(e);
  return fields + std::vector<Field>{{d + "sliding_window", 1, limits::kPositions},
                                     {d + "latent_dim", 1, limits::kCodecChannels},
                                     {d + "codebook_dim", 2, limits::kCodecChannels},
                                     {d + "codebook_size", 1, limits::kVocabulary},
                                     {d + "num_quantizers", 2, limits::kCodeGroups},
                                     {d + "decoder_dim", 1, limits::kCodecChannels},
                                     {d + "upsample_rates[0]", 1, limits::kSamplesPerFrame},
                                     {d + "upsampling_ratios[1]", 1, limits::kSamplesPerFrame},
                                     {"decode_upsample_rate", 1, limits::kSamplesPerFrame},
                                     {"output_sample_rate", limits::kClipMinRate, limits::kClipMaxRate},
                                     {e + "audio_channels", 1, 1},
                                     {e + "num_residual_layers", 1, 1},
                                     {e + "num_semantic_quantizers", 1, 1},
                                     {e + "num_filters", 1, limits::kCodecChannels},
                                     {e + "kernel_size", 1, limits::kConvTaps},
                                     {e + "last_kernel_size", 1, limits::kConvTaps},
                                     {e + "residual_kernel_size", 1, limits::kConvTaps},
                                     {e + "upsampling_ratios[2]", 1, limits::kSamplesPerFrame},
                                     {e + "codebook_dim", 1, limits::kCodecChannels},
                                     {e + "codebook_size", 1, limits::kVocabulary},
                                     {e + "num_quantizers", 2, limits::kCodeGroups},
                                     {"encode_downsample_rate", 1, limits::kSamplesPerFrame},
                                     {"input_sample_rate", limits::kClipMinRate, limits::kClipMaxRate}};
}

}  // namespace

TEST_CASE("every integer of the configuration refuses every bad value") {
  Tally tally;
  const ModelConfig base = Files("tiny-base").parse();
  try_all("tiny-base", "config.json", language_fields(base) + speaker_encoder_fields(), tally);
  const ModelConfig custom = Files("tiny-custom-voice").parse();
  const int64_t low = custom.talker.first_suppressed, high = custom.talker.dims.V - 1;
  try_all("tiny-custom-voice", "config.json",
          {{"talker_config.spk_id.ryan", low, high, Absent::allowed},
           {"talker_config.codec_language_id.english", low, high, Absent::allowed}},
          tally);
  std::vector<Field> codec = codec_fields();
  const CodecEncoderConfig& encoder = *base.codec_encoder;
  codec.push_back({"encoder_config.compress", 1, encoder.filters});
  codec.push_back({"encoder_valid_num_quantizers", 2, encoder.quantizers});
  try_all("tiny-base", "speech_tokenizer/config.json", codec, tally);
  constexpr Absent kAllowed{Absent::allowed};
  try_all("tiny-base", "generation_config.json",
          {{"top_k", 0, base.talker.dims.V, kAllowed},
           {"subtalker_top_k", 0, base.talker.dims.V, kAllowed},
           {"max_new_tokens", 2, limits::kPositions, kAllowed}},
          tally);
  std::cout << "configuration integers: " << tally.refused << " values refused with exit 3, " << tally.exact
            << " of them with the exact message; " << tally.allowed << " allowed by the specification\n";
  CHECK(tally.refused >= 900);
  CHECK(tally.exact >= tally.refused - 10);
}
