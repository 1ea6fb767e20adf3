// Loading: configuration, then the tensor tables of both folders, then every each() list twice: once to find
// each tensor and compare its shape (nothing is allocated before all of them agree), once to put into our own
// memory what cannot be used as it lies in the file.
#include "engine/model.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/trace.h"
#include "engine/bind.h"

#include <set>

namespace tts {

namespace {

constexpr size_t kNamesInWarning{8};

bool has_group(const TensorTable& table, std::string_view prefix) {
  const auto at = table.by_name.lower_bound(prefix);
  return at != table.by_name.end() && at->first.starts_with(prefix);
}

void report_unknown(const TensorTable& table, const std::set<std::string_view>& bound, bool strict,
                    std::vector<std::string>& warnings) {
  size_t count = 0;
  std::string names;
  for (const StoredTensor& tensor : table.tensors) {
    if (bound.contains(tensor.name)) continue;
    if (++count <= kNamesInWarning) names += (count == 1 ? "" : ", ") + tensor.name;
  }
  if (count == 0) return;
  if (count > kNamesInWarning) names += ", ...";
  const std::string message =
      format("{}: {} tensors that this model type does not use: {}", table.path, count, names);
  check(!strict, Exit::bad_input, "{}", message);
  warnings.push_back(message);
}

void bind(Model& model, const LoadOptions& options) {
  const ModelConfig& c = model.config;
  const TensorTable main = open_tensors(model.files, ""),
                    codec = open_tensors(model.files, "speech_tokenizer");
  std::set<std::string_view> bound;
  const Binder in_main{main, bound, model.weight_bytes}, in_codec{codec, bound, model.weight_bytes};
  model.talker.each(c.talker, in_main);
  model.predictor.each(c, in_main);
  if (c.speaker_encoder) model.speaker_encoder.emplace().each(*c.speaker_encoder, in_main);
  report_unknown(main, bound, options.strict, model.warnings);
  model.decoder.each(c.codec, in_codec);
  if (c.codec_encoder && has_group(codec, "encoder."))
    model.encoder.emplace().each(*c.codec_encoder, in_codec);
  report_unknown(codec, bound, options.strict, model.warnings);
}

void check_tokenizer(const Model& model) {
  check(model.tokenizer.size() <= model.config.talker.text_vocabulary, Exit::bad_input,
        "{}: expected at most {} token ids (text_vocab_size of config.json), got {}",
        model.files.path("vocab.json"), model.config.talker.text_vocabulary, model.tokenizer.size());
}

}  // namespace

// The files are mapped already, or embedded: Tokenizer::load would open them once more.
Tokenizer load_tokenizer(const ModelFiles& files, Pretokenizer pretokenizer) {
  Tokenizer::Files from;
  from.origin = files.directory();
  if (files.has("vocab.json") || !files.has("tokenizer.model")) {
    from.vocab_json = files.text("vocab.json");
    from.merges_txt = files.text("merges.txt");
    from.tokenizer_config_json = files.text("tokenizer_config.json");
  } else {
    from.sentencepiece_model = files.text("tokenizer.model");
    if (files.has("tokenizer_config.json")) from.tokenizer_config_json = files.text("tokenizer_config.json");
  }
  return Tokenizer::from_files(from, pretokenizer);
}

VoiceRules parse_voice_rules(std::string_view bytes, const std::string& origin) {
  constexpr size_t kDescriptionBytes{2000};
  const Json file = Json::parse(bytes, origin);
  file.allow_only({"description", "max_characters", "upfront_text_only", "spell_numbers"});
  VoiceRules rules;
  if (const Json* value = file.find("description")) {
    rules.description = value->text();
    check(rules.description.size() <= kDescriptionBytes, Exit::bad_input,
          "{}: expected at most {} bytes, got {}", value->where(), kDescriptionBytes,
          rules.description.size());
  }
  if (const Json* value = file.find("max_characters")) {
    rules.max_characters = static_cast<int>(value->integer(1, limits::kTextBytes));
  }
  if (const Json* value = file.find("upfront_text_only")) rules.upfront_text_only = value->boolean();
  if (const Json* value = file.find("spell_numbers")) rules.spell_numbers = value->boolean();
  return rules;
}

std::unique_ptr<Model> load_model(const std::string& directory_or_embedded, const LoadOptions& options) {
  const Trace trace("load");
  const ModelFiles files = ModelFiles::open(directory_or_embedded);
  ModelConfig config = parse_config({files.text("config.json"), files.text("generation_config.json"),
                                     files.text("speech_tokenizer/config.json"), files.directory()});
  VoiceRules rules;
  if (files.has("voice.json")) rules = parse_voice_rules(files.text("voice.json"), files.path("voice.json"));
  Tokenizer tokenizer = load_tokenizer(files, options.pretokenizer);
  auto model = std::make_unique<Model>(Model{.files = files,
                                             .config = std::move(config),
                                             .rules = std::move(rules),
                                             .tokenizer = std::move(tokenizer)});
  check_tokenizer(*model);
  bind(*model, options);
  each_tensor(*model, Converter{model->owned});
  model->files.check_intact();
  return model;
}

}  // namespace tts
