#include "published.h"

#include "tiny_model.h"

#include "base/file.h"
#include "base/limits.h"

namespace tts::test {

PublishedFiles published_files(ModelType type, const std::string& size) {
  const std::string from = golden_model("tiny-custom-voice");  // has the published ids
  const auto load = [&](const char* name, const std::vector<Edit>& edits) {
    std::string text = read_text(from + "/" + name, limits::kJsonBytes);
    for (const Edit& edit : edits) text = edit_json(text, edit);
    return text;
  };
  const bool large = size == "1b7";
  const std::string t = "talker_config.", p = "talker_config.code_predictor_config.";
  std::vector<Edit> main = {{"tts_model_size", "\"" + size + "\""},
                            {"tts_model_type", "\"" + std::string(str(type)) + "\""},
                            {"tts_pad_token_id", "151671"},
                            {"tts_bos_token_id", "151672"},
                            {"tts_eos_token_id", "151673"},
                            {"im_start_token_id", "151644"},
                            {"im_end_token_id", "151645"},
                            {"assistant_token_id", "77091"},
                            {t + "text_vocab_size", "151936"},
                            {t + "text_hidden_size", "2048"},
                            {t + "hidden_size", large ? "2048" : "1024"},
                            {t + "intermediate_size", large ? "6144" : "3072"},
                            {t + "num_hidden_layers", "28"},
                            {p + "hidden_size", "1024"},
                            {p + "intermediate_size", "3072"},
                            {p + "num_hidden_layers", "5"}};
  for (const std::string& stack : {t, p}) {
    main.push_back({stack + "num_attention_heads", "16"});
    main.push_back({stack + "num_key_value_heads", "8"});
    main.push_back({stack + "head_dim", "128"});
  }
  if (type != ModelType::custom_voice) {
    main.push_back({t + "spk_id", "{}"});
    main.push_back({t + "spk_is_dialect", "{}"});
  }
  if (type == ModelType::base) {
    main.push_back({"speaker_encoder_config", large ? "{\"enc_dim\":2048,\"sample_rate\":24000}"
                                                    : "{\"enc_dim\":1024,\"sample_rate\":24000}"});
  }
  const std::string d = "decoder_config.", e = "encoder_config.";
  const std::vector<Edit> codec = {
      {d + "latent_dim", "1024"},       {d + "codebook_dim", "512"},       {d + "codebook_size", "2048"},
      {d + "decoder_dim", "1536"},      {d + "hidden_size", "512"},        {d + "intermediate_size", "1024"},
      {d + "num_hidden_layers", "8"},   {d + "num_attention_heads", "16"}, {d + "num_key_value_heads", "16"},
      {d + "head_dim", "64"},           {d + "sliding_window", "72"},      {e + "num_filters", "64"},
      {e + "hidden_size", "512"},       {e + "intermediate_size", "2048"}, {e + "num_hidden_layers", "8"},
      {e + "num_attention_heads", "8"}, {e + "num_key_value_heads", "8"},  {e + "head_dim", "64"},
      {e + "codebook_dim", "256"},      {e + "codebook_size", "2048"},     {e + "num_quantizers", "32"}};
  return {load("config.json", main), load("generation_config.json", {}),
          load("speech_tokenizer/config.json", codec)};
}

}  // namespace tts::test
