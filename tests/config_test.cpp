// The rules between the keys of the configuration, and what a good one is read as.
#include "catch.h"
#include "refusal.h"
#include "tiny_model.h"

#include "base/file.h"
#include "base/limits.h"

using namespace tts;
using namespace tts::test;

namespace {

std::string golden_text(const std::string& model, const char* name) {
  return read_text(golden_model(model) + "/" + name, limits::kJsonBytes);
}

struct Case {
  std::string model, file;
  std::vector<Edit> edits;
  std::string message;  // of the refusal
};

ModelConfig parse_edited(const Case& c) {
  std::string text[3];
  const char* names[] = {"config.json", "generation_config.json", "speech_tokenizer/config.json"};
  for (int i = 0; i < 3; ++i) {
    text[i] = golden_text(c.model, names[i]);
    if (c.file == names[i]) {
      for (const Edit& edit : c.edits) text[i] = edit_json(text[i], edit);
    }
  }
  return parse_config({text[0], text[1], text[2], "m"});
}

const std::string kMain = "config.json", kCodec = "speech_tokenizer/config.json",
                  kGeneration = "generation_config.json";

const std::vector<Case> kRefused = {
    {"tiny-base",
     kMain,
     {{"model_type", "\"llama\""}},
     "m/config.json: model_type: expected \"qwen3_tts\", got \"llama\""},
    {"tiny-base",
     kMain,
     {{"model_type", ""}},
     "m/config.json: model_type: expected a value, the key is absent"},
    {"tiny-base",
     kMain,
     {{"tokenizer_type", "\"qwen3_tts_tokenizer_25hz\""}},
     "m/config.json: tokenizer_type: expected \"qwen3_tts_tokenizer_12hz\", got "
     "\"qwen3_tts_tokenizer_25hz\""},
    {"tiny-base",
     kMain,
     {{"tts_model_type", "\"singer\""}},
     "m/config.json: tts_model_type: expected \"base\", \"custom_voice\" or \"voice_design\", got "
     "\"singer\""},
    {"tiny-base",
     kMain,
     {{"tts_model_type", "7"}},
     "m/config.json: tts_model_type: expected a string, got 7"},
    {"tiny-base",
     kMain,
     {{"talker_config", "[]"}},
     "m/config.json: talker_config: expected an object, got an array"},
    {"tiny-base",
     kMain,
     {{"talker_config.code_predictor_config", ""}},
     "m/config.json: talker_config.code_predictor_config: expected a value, the key is absent"},
    {"tiny-base",
     kMain,
     {{"talker_config.num_key_value_heads", "4"}},
     "m/config.json: talker_config.num_key_value_heads: expected a divisor of num_attention_heads 6, got 4"},
    {"tiny-base",
     kMain,
     {{"talker_config.head_dim", "15"}},
     "m/config.json: talker_config.head_dim: expected an even number, got 15"},
    {"tiny-base",
     kMain,
     {{"talker_config.rms_norm_eps", "0"}},
     "m/config.json: talker_config.rms_norm_eps: expected a number in 1e-12..0.1, got 0"},
    {"tiny-base",
     kMain,
     {{"talker_config.rms_norm_eps", "\"1e-6\""}},
     "m/config.json: talker_config.rms_norm_eps: expected a number, got \"1e-6\""},
    {"tiny-base",
     kMain,
     {{"talker_config.rope_theta", "-5"}},
     "m/config.json: talker_config.rope_theta: expected a number in 1..1e+12, got -5"},
    {"tiny-base",
     kMain,
     {{"talker_config.hidden_act", "\"gelu\""}},
     "m/config.json: talker_config.hidden_act: expected \"silu\", got \"gelu\""},
    {"tiny-base",
     kMain,
     {{"talker_config.attention_bias", "true"}},
     "m/config.json: talker_config.attention_bias: expected false, got true"},
    {"tiny-base",
     kMain,
     {{"talker_config.use_sliding_window", "true"}},
     "m/config.json: talker_config.use_sliding_window: expected false, got true"},
    {"tiny-base",
     kMain,
     {{"talker_config.rope_scaling.rope_type", "\"yarn\""}},
     "m/config.json: talker_config.rope_scaling.rope_type: expected \"default\", got \"yarn\""},
    {"tiny-base",
     kMain,
     {{"talker_config.code_predictor_config.layer_types[1]", "\"sliding_attention\""}},
     "m/config.json: talker_config.code_predictor_config.layer_types[1]: expected \"full_attention\", "
     "got \"sliding_attention\""},
    {"tiny-base",
     kMain,
     {{"talker_config.code_predictor_config.num_code_groups", "15"}},
     "m/config.json: talker_config.code_predictor_config.num_code_groups: expected the talker's 16, got 15"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.enc_dim", "40"}},
     "m/config.json: speaker_encoder_config.enc_dim: expected the talker's hidden_size 48, got 40"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config", ""}},
     "m/config.json: speaker_encoder_config.enc_dim: expected the talker's hidden_size 48, got 1024"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.sample_rate", "16000"}},
     "m/config.json: speaker_encoder_config.sample_rate: expected the codec's 24000, got 16000"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.enc_channels", "[32,32,32,32,64]"}},
     "m/config.json: speaker_encoder_config.enc_channels[4]: expected 96, the sum of the blocks joined, got "
     "64"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.enc_channels", "[32,40,32,32,104]"}},
     "m/config.json: speaker_encoder_config.enc_channels[1]: expected 32, divisible by enc_res2net_scale 8, "
     "got 40"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.enc_kernel_sizes", "[5,3,3,1]"}},
     "m/config.json: speaker_encoder_config: expected enc_channels, enc_kernel_sizes and enc_dilations of "
     "one length of "
     "at least 3, got 5, 4 and 5"},
    {"tiny-base",
     kMain,
     {{"speaker_encoder_config.enc_dilations", "[1,2,3,5,1]"}},
     "m/config.json: speaker_encoder_config.enc_kernel_sizes[3]: expected an odd number that reaches at most "
     "4 frames to "
     "a side, got 3 with dilation 5"},
    {"tiny-custom-voice",
     kMain,
     {{"talker_config.spk_id.RYAN", "2900"}},
     "m/config.json: talker_config.spk_id.RYAN: expected every name once whatever its case, got it twice"},
    {"tiny-custom-voice",
     kMain,
     {{"talker_config.codec_language_id.English", "2051"}},
     "m/config.json: talker_config.codec_language_id.English: expected every name once whatever its case, "
     "got it twice"},
    {"tiny-custom-voice",
     kMain,
     {{"talker_config.spk_is_dialect.eric", "\"klingon\""}},
     "m/config.json: talker_config.spk_is_dialect.eric: expected a key of codec_language_id, got "
     "\"klingon\""},
    {"tiny-custom-voice",
     kMain,
     {{"talker_config.spk_is_dialect.eric", "true"}},
     "m/config.json: talker_config.spk_is_dialect.eric: expected false or the name of a language, got true"},
    {"tiny-custom-voice",
     kMain,
     {{"talker_config.spk_id", "[3]"}},
     "m/config.json: talker_config.spk_id: expected an object, got an array"},
    {"tiny-base",
     kCodec,
     {{"model_type", "\"mimi\""}},
     "m/speech_tokenizer/config.json: model_type: expected \"qwen3_tts_tokenizer_12hz\", got \"mimi\""},
    {"tiny-base",
     kCodec,
     {{"decode_upsample_rate", "1280"}},
     "m/speech_tokenizer/config.json: decode_upsample_rate: expected 1920, the product of upsample_rates "
     "[8,5,4,3] and "
     "upsampling_ratios [2,2], got 1280"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.upsample_rates", "[65536,65536,65536,65536,65536]"},
      {"decoder_config.decoder_dim", "64"}},
     "product of the codec's rates: size does not fit 63 bits: 281474976710656 * 65536"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.upsample_rates", "[]"}},
     "m/speech_tokenizer/config.json: decoder_config.upsample_rates: expected 1..16 integers, got 0"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.codebook_dim", "17"}},
     "m/speech_tokenizer/config.json: decoder_config.codebook_dim: expected an even number, got 17"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.decoder_dim", "24"}},
     "m/speech_tokenizer/config.json: decoder_config.decoder_dim: expected a multiple of 16 (it is halved 4 "
     "times), got 24"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.num_quantizers", "8"}},
     "m/speech_tokenizer/config.json: decoder_config.num_quantizers: expected 16, num_code_groups of "
     "config.json, got 8"},
    {"tiny-base",
     kCodec,
     {{"decoder_config.codebook_size", "63"}},
     "m/speech_tokenizer/config.json: decoder_config.codebook_size: expected at least 64, the codes that "
     "config.json can "
     "draw, got 63"},
    {"tiny-base",
     kCodec,
     {{"encoder_config.codebook_size", "48"}},
     "m/speech_tokenizer/config.json: encoder_config.codebook_size: expected a power of two, got 48"},
    {"tiny-base",
     kCodec,
     {{"encoder_config.codebook_size", "128"}},
     "m/speech_tokenizer/config.json: encoder_config.codebook_size: expected at most 64, the codes that "
     "config.json knows, "
     "got 128"},
    {"tiny-base",
     kCodec,
     {{"encoder_valid_num_quantizers", "12"}},
     "m/speech_tokenizer/config.json: encoder_valid_num_quantizers: expected 16, num_code_groups of "
     "config.json, got 12"},
    {"tiny-base",
     kCodec,
     {{"encode_downsample_rate", "960"}},
     "m/speech_tokenizer/config.json: encode_downsample_rate: expected 1920, twice the product of "
     "upsampling_ratios "
     "[4,5,6,8], got 960"},
    {"tiny-base",
     kCodec,
     {{"input_sample_rate", "16000"}},
     "m/speech_tokenizer/config.json: input_sample_rate: expected output_sample_rate 24000, got 16000"},
    {"tiny-base",
     kCodec,
     {{"encoder_config.num_filters", "8192"}},
     "m/speech_tokenizer/config.json: encoder_config.num_filters: expected at most 8192 channels after 4 "
     "doublings, got "
     "131072"},
    {"tiny-base",
     kCodec,
     {{"encoder_config.pad_mode", "\"replicate\""}},
     "m/speech_tokenizer/config.json: encoder_config.pad_mode: expected \"constant\", got \"replicate\""},
    {"tiny-base",
     kCodec,
     {{"encoder_config.use_causal_conv", "false"}},
     "m/speech_tokenizer/config.json: encoder_config.use_causal_conv: expected true, got false"},
    {"tiny-base",
     kGeneration,
     {{"temperature", "0"}},
     "m/generation_config.json: temperature: expected a number in 1e-06..2, got 0"},
    {"tiny-base",
     kGeneration,
     {{"temperature", "2.5"}},
     "m/generation_config.json: temperature: expected a number in 1e-06..2, got 2.5"},
    {"tiny-base",
     kGeneration,
     {{"top_p", "1.5"}},
     "m/generation_config.json: top_p: expected a number in 1e-06..1, got 1.5"},
    {"tiny-base",
     kGeneration,
     {{"repetition_penalty", "0.25"}},
     "m/generation_config.json: repetition_penalty: expected a number in 0.5..2, got 0.25"},
    {"tiny-base",
     kGeneration,
     {{"do_sample", "1"}},
     "m/generation_config.json: do_sample: expected true or false, got 1"},
    {"tiny-base",
     kGeneration,
     {{"top_k", "1089"}},
     "m/generation_config.json: top_k: expected an integer in 0..1088, got 1089"},
};

}  // namespace

TEST_CASE("a configuration that contradicts itself is refused with the exact message") {
  for (const Case& c : kRefused) {
    const Refusal refusal = refusal_of([&] { parse_edited(c); });
    CHECK(refusal.exit == Exit::bad_input);
    CHECK(refusal.message == c.message);
  }
  CHECK(kRefused.size() >= 50);
}

TEST_CASE("the recorded models are read as they are") {
  const ModelConfig c = load_config(golden_model("tiny-custom-voice"));
  CHECK(c.type == ModelType::custom_voice);
  CHECK(c.size == "0b6");
  CHECK(c.library_version == "4.57.3");
  CHECK(c.talker.dims.H == 24);
  CHECK(c.talker.dims.V == 3072);
  CHECK(c.talker.first_suppressed == 2048);
  CHECK(c.talker.eos == 2150);
  CHECK(c.talker.speakers.size() == 9);
  CHECK(c.talker.languages.size() == 12);
  CHECK(find_speaker(c, "Eric")->dialect == "sichuan_dialect");
  CHECK(find_speaker(c, "ERIC")->id == 2875);
  CHECK(find_speaker(c, "nobody") == nullptr);
  CHECK(find_language(c, "English")->id == 2050);
  CHECK_FALSE(c.speaker_encoder.has_value());
  CHECK_FALSE(c.adapter);
  CHECK_FALSE(honours_instruct(c));
  CHECK(c.codec.samples_per_frame == 1920);
  CHECK(c.codec.transformer.window == 5);
  CHECK(c.codec_encoder->ratios == std::vector<int>{4, 5, 6, 8});
  CHECK(c.generation.max_new_tokens == 8192);
  const ModelConfig large = load_config(golden_model("tiny-custom-voice-1b7"));
  CHECK(large.adapter);
  CHECK(honours_instruct(large));
  const ModelConfig base = load_config(golden_model("tiny-base"));
  CHECK(base.speaker_encoder->channels == std::vector<int>{32, 32, 32, 32, 96});
  CHECK(base.speaker_encoder->kernels == std::vector<int>{5, 3, 3, 3, 1});
}

TEST_CASE("more names than the limit are refused before they are compared with each other") {
  std::string many = "{\"a\":1020";
  for (int i = 0; i < 4096; ++i) many += ",\"n" + std::to_string(i) + "\":1020";
  many += "}";
  for (const char* key : {"codec_language_id", "spk_id", "spk_is_dialect"}) {
    const std::string path = std::string("talker_config.") + key;
    const Refusal refusal = refusal_of([&] { parse_edited({"tiny-base", kMain, {{path, many}}, ""}); });
    CHECK(refusal.message == "m/config.json: " + path + ": expected at most 4096 names, got 4097");
  }
}

TEST_CASE("a fine-tuned checkpoint keeps the key of the speaker encoder without having one") {
  const ModelConfig c = parse_edited({"tiny-base",
                                      kMain,
                                      {{"tts_model_type", "\"custom_voice\""},
                                       {"talker_config.spk_id", "{\"My_Voice\":1016}"},
                                       {"talker_config.spk_is_dialect", "{\"My_Voice\":false}"}},
                                      ""});
  CHECK_FALSE(c.speaker_encoder.has_value());
  CHECK(find_speaker(c, "my_voice")->id == 1016);
}

TEST_CASE("absent sampling defaults are those of the official wrapper") {
  const std::string main = golden_text("tiny-base", "config.json"),
                    codec = golden_text("tiny-base", "speech_tokenizer/config.json");
  const GenerationDefaults g = parse_config({main, "{}", codec, ""}).generation;
  CHECK(g.do_sample);
  CHECK(g.temperature == 0.9f);
  CHECK(g.top_k == 50);
  CHECK(g.top_p == 1.0f);
  CHECK(g.repetition_penalty == 1.05f);
  CHECK(g.max_new_tokens == 2048);
}

TEST_CASE("files that are missing or no files are named") {
  CHECK(refusal_of([] { load_config("/nonexistent"); }).message ==
        "/nonexistent: expected a model directory, got no such file or directory");
  const std::string file = golden_model("tiny-base") + "/config.json";
  CHECK(refusal_of([&] { load_config(file); }).message == file + ": expected a model directory, got a file");
}
