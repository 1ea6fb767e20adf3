#include "tools/checkpoint_config.h"

#include "base/json.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tts {

namespace {

struct Stack {
  int hidden, mlp, layers, heads, kv_heads, head_width;
};

struct Geometry {
  std::string_view size, tag;
  Stack talker, predictor, decoder, encoder;
  int text_width, latent, code_width, decoder_width, encoder_filters, encoder_code_width, speaker_channels;
};

constexpr Stack kPredictor{1024, 3072, 5, 16, 8, 128}, kDecoder{512, 1024, 8, 16, 16, 64},
    kEncoder{512, 2048, 8, 8, 8, 64};
constexpr Geometry kGeometries[] = {
    {"0.6b",
     "0b6",
     {1024, 3072, 28, 16, 8, 128},
     kPredictor,
     kDecoder,
     kEncoder,
     2048,
     1024,
     512,
     1536,
     64,
     256,
     512},
    {"1.7b",
     "1b7",
     {2048, 6144, 28, 16, 8, 128},
     kPredictor,
     kDecoder,
     kEncoder,
     2048,
     1024,
     512,
     1536,
     64,
     256,
     512},
    {"tiny",
     "tiny",
     {64, 160, 2, 4, 2, 32},
     {64, 96, 2, 4, 2, 32},
     {32, 48, 2, 4, 4, 16},
     {32, 64, 2, 2, 2, 16},
     48,
     64,
     32,
     96,
     4,
     16,
     32},
};

const Geometry& geometry_of(const std::string& size) {
  for (const Geometry& g : kGeometries) {
    if (g.size == size) return g;
  }
  throw Error(Exit::usage, "--size {}: expected 0.6b, 1.7b or tiny", size);
}

// ---- pieces -----------------------------------------------------------------------------------------------

constexpr int kGroups{16}, kCodes{2048}, kVocabulary{3072};
constexpr int kPublishedText{151936};  // rows of the published text embedding; its tokenizer uses fewer

void stack_fields(JsonWriter& w, const Stack& s, const char* eps_key, double eps, double theta) {
  w.field("hidden_size", s.hidden).field("intermediate_size", s.mlp).field("num_hidden_layers", s.layers);
  w.field("num_attention_heads", s.heads)
      .field("num_key_value_heads", s.kv_heads)
      .field("head_dim", s.head_width);
  w.field(eps_key, eps).field("rope_theta", theta).field("attention_bias", false);
}

void integers(JsonWriter& w, std::string_view key, const std::vector<int>& values) {
  w.key(key).begin_array();
  for (const int value : values) w.value(value);
  w.end_array();
}

using Ids = std::vector<std::pair<const char*, int>>;
const Ids kLanguages{{"chinese", 2055}, {"english", 2050},  {"german", 2053},
                     {"spanish", 2054}, {"japanese", 2058}, {"beijing_dialect", 2074}};
const Ids kSpeakers{{"ryan", 3061}, {"aiden", 2861}, {"vivian", 3065}, {"dylan", 2878}};
const Ids kControl{{"codec_pad_id", 2148},      {"codec_bos_id", 2149},     {"codec_eos_token_id", 2150},
                   {"codec_think_id", 2154},    {"codec_nothink_id", 2155}, {"codec_think_bos_id", 2156},
                   {"codec_think_eos_id", 2157}};

void id_table(JsonWriter& w, std::string_view key, const Ids& ids) {
  w.key(key).begin_object();
  for (const auto& [name, id] : ids) w.field(name, id);
  w.end_object();
}

void predictor(JsonWriter& w, const Geometry& g) {
  w.key("code_predictor_config").begin_object();
  stack_fields(w, g.predictor, "rms_norm_eps", 1e-6, 1e6);
  w.field("model_type", "qwen3_tts_talker_code_predictor")
      .field("hidden_act", "silu")
      .field("num_code_groups", kGroups);
  w.field("vocab_size", kCodes).field("max_position_embeddings", 65536).field("tie_word_embeddings", false);
  w.field("use_sliding_window", false).field("max_window_layers", 28);
  w.key("layer_types").begin_array();
  for (int l = 0; l < g.predictor.layers; ++l) w.value("full_attention");
  w.end_array().key("rope_scaling").null().key("sliding_window").null().end_object();
}

void talker(JsonWriter& w, const Geometry& g, bool speakers, int text_vocabulary) {
  w.key("talker_config").begin_object();
  predictor(w, g);
  stack_fields(w, g.talker, "rms_norm_eps", 1e-6, 1e6);
  w.field("model_type", "qwen3_tts_talker").field("hidden_act", "silu").field("num_code_groups", kGroups);
  w.field("vocab_size", kVocabulary)
      .field("text_vocab_size", text_vocabulary)
      .field("text_hidden_size", g.text_width);
  w.field("max_position_embeddings", 32768)
      .field("position_id_per_seconds", 13)
      .field("use_sliding_window", false);
  for (const auto& [name, id] : kControl) w.field(name, id);
  id_table(w, "codec_language_id", kLanguages);
  id_table(w, "spk_id", speakers ? kSpeakers : Ids{});
  w.key("spk_is_dialect").begin_object();
  for (const auto& [name, id] : speakers ? kSpeakers : Ids{}) w.field(name, false);
  w.end_object();
  const int side = g.talker.head_width * 20 / 128;  // 24/20/20 at width 128; the sum is half of it
  w.key("rope_scaling")
      .begin_object()
      .field("interleaved", true)
      .field("rope_type", "default")
      .field("type", "default");
  integers(w, "mrope_section", {g.talker.head_width / 2 - 2 * side, side, side});
  w.end_object().key("sliding_window").null().end_object();
}

void speaker_encoder(JsonWriter& w, const Geometry& g) {
  const int n = g.speaker_channels;
  w.key("speaker_encoder_config")
      .begin_object()
      .field("enc_dim", g.talker.hidden)
      .field("sample_rate", 24000);
  if (g.size == "tiny") {  // the published files leave these at the defaults of the official class
    integers(w, "enc_channels", {n, n, n, n, 3 * n});
    w.field("mel_dim", 128).field("enc_attention_channels", 16).field("enc_se_channels", 16);
  }
  w.end_object();
}

int added(const Tokenizer& tokenizer, std::string_view content) {
  const int32_t id = tokenizer.added_id(content);
  check(id >= 0, Exit::bad_input, "tokenizer: expected the added token {}, got none", content);
  return id;
}

std::string main_config(const Geometry& g, const std::string& type, const Tokenizer& tokenizer) {
  const std::vector<int32_t> assistant = tokenizer.encode("assistant");
  check(assistant.size() == 1, Exit::bad_input, "tokenizer: expected one id for \"assistant\", got {}",
        assistant.size());
  const int rows = std::max((tokenizer.size() + 127) / 128 * 128,
                            tokenizer.size() > kPublishedText / 2 ? kPublishedText : 0);
  JsonWriter w;
  w.begin_object();
  w.key("architectures").begin_array().value("Qwen3TTSForConditionalGeneration").end_array();
  w.field("model_type", "qwen3_tts").field("tokenizer_type", "qwen3_tts_tokenizer_12hz");
  w.field("tts_model_size", g.tag)
      .field("tts_model_type", std::string_view(type))
      .field("transformers_version", "4.57.3");
  w.field("assistant_token_id", assistant[0]).field("im_start_token_id", added(tokenizer, "<|im_start|>"));
  w.field("im_end_token_id", added(tokenizer, "<|im_end|>"))
      .field("tts_pad_token_id", added(tokenizer, "<tts_pad>"));
  w.field("tts_bos_token_id", added(tokenizer, "<tts_text_bos>"))
      .field("tts_eos_token_id", added(tokenizer, "<tts_text_eod>"));
  talker(w, g, type == "custom_voice", rows);
  if (type == "base") speaker_encoder(w, g);
  return w.end_object().str() + "\n";
}

std::string codec_config(const Geometry& g) {
  JsonWriter w;
  w.begin_object().key("architectures").begin_array().value("Qwen3TTSTokenizerV2Model").end_array();
  w.field("model_type", "qwen3_tts_tokenizer_12hz").field("transformers_version", "4.57.3");
  w.field("encoder_valid_num_quantizers", kGroups)
      .field("input_sample_rate", 24000)
      .field("output_sample_rate", 24000);
  w.field("decode_upsample_rate", 1920).field("encode_downsample_rate", 1920);
  w.key("decoder_config").begin_object();
  stack_fields(w, g.decoder, "rms_norm_eps", 1e-5, 1e4);
  w.field("latent_dim", g.latent).field("codebook_dim", g.code_width).field("codebook_size", kCodes);
  w.field("decoder_dim", g.decoder_width).field("hidden_act", "silu").field("num_quantizers", kGroups);
  w.field("num_semantic_quantizers", 1).field("semantic_codebook_size", 4096).field("sliding_window", 72);
  w.field("max_position_embeddings", 8000).field("layer_scale_initial_scale", 0.01);
  w.field("vector_quantization_hidden_dimension", 512);
  integers(w, "upsample_rates", {8, 5, 4, 3});
  integers(w, "upsampling_ratios", {2, 2});
  w.end_object().key("encoder_config").begin_object();
  stack_fields(w, g.encoder, "norm_eps", 1e-5, 1e4);
  w.field("num_filters", g.encoder_filters)
      .field("kernel_size", 7)
      .field("last_kernel_size", 3)
      .field("residual_kernel_size", 3);
  w.field("compress", 2)
      .field("codebook_dim", g.encoder_code_width)
      .field("codebook_size", kCodes)
      .field("num_quantizers", 32);
  w.field("num_semantic_quantizers", 1)
      .field("num_residual_layers", 1)
      .field("dilation_growth_rate", 2)
      .field("audio_channels", 1);
  w.field("sampling_rate", 24000)
      .field("_frame_rate", 12.5)
      .field("hidden_act", "gelu")
      .field("pad_mode", "constant");
  w.field("use_causal_conv", true)
      .field("use_conv_shortcut", false)
      .field("normalize", false)
      .field("sliding_window", 250);
  w.field("upsample_groups", g.encoder.hidden)
      .field("trim_right_ratio", 1.0)
      .field("layer_scale_initial_scale", 0.01);
  w.field("vector_quantization_hidden_dimension", g.encoder_code_width)
      .field("max_position_embeddings", 8000);
  integers(w, "upsampling_ratios", {8, 6, 5, 4});
  return w.end_object().end_object().str() + "\n";
}

std::string generation_config() {
  JsonWriter w;
  w.begin_object()
      .field("do_sample", true)
      .field("repetition_penalty", 1.05)
      .field("temperature", 0.9)
      .field("top_p", 1.0);
  w.field("top_k", 50)
      .field("subtalker_dosample", true)
      .field("subtalker_temperature", 0.9)
      .field("subtalker_top_p", 1.0);
  return w.field("subtalker_top_k", 50).field("max_new_tokens", 8192).end_object().str() + "\n";
}

}  // namespace

CheckpointFiles checkpoint_files(const std::string& size, const std::string& type,
                                 const Tokenizer& tokenizer) {
  const Geometry& g = geometry_of(size);
  return {main_config(g, type, tokenizer), generation_config(), codec_config(g)};
}

}  // namespace tts
