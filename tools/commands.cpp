#include "tools/commands.h"

#include "base/file.h"
#include "base/json.h"
#include "codec/audio_reader.h"
#include "codec/resample.h"
#include "engine/codes_file.h"
#include "engine/inspect.h"
#include "engine/synthesis.h"
#include "engine/voice.h"
#include "tools/settings.h"

namespace tts {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void string_array(JsonWriter& json, std::string_view key, const std::vector<std::string>& values) {
  json.key(key).begin_array();
  for (const std::string& value : values) json.value(std::string_view(value));
  json.end_array();
}

}  // namespace

// ---- inspect ----------------------------------------------------------------------------------------------

int inspect(const Arguments& args) {
  const auto model = load_model(args.operands.front(), load_options(args));
  for (const std::string& warning : model->warnings) log_of(args).detail(warning);
  const std::string text = args.has("json") ? inspect_json(*model) + "\n" : inspect_text(*model);
  write_report(args, text);
  return 0;
}

// ---- voices -----------------------------------------------------------------------------------------------

namespace {

struct VoiceFacts {
  std::string type, size, description;
  std::vector<std::string> speakers{}, languages{}, accepts{};
};

VoiceFacts facts_of(const Model& model) {
  const ModelConfig& c = model.config;
  VoiceFacts facts{.type = std::string(str(c.type)), .size = c.size, .description = model.rules.description};
  for (const Speaker& speaker : c.talker.speakers) facts.speakers.push_back(speaker.name);
  for (const Named& language : c.talker.languages) facts.languages.push_back(language.name);
  facts.accepts = {"--language"};
  if (c.type == ModelType::custom_voice) facts.accepts.insert(facts.accepts.begin(), "--speaker");
  if (c.type != ModelType::base && honours_instruct(c)) facts.accepts.push_back("--instruct");
  facts.accepts.push_back(model.rules.upfront_text_only ? "--text-mode upfront" : "--text-mode");
  return facts;
}

std::string voices_json(const VoiceFacts& facts, const Model& model) {
  JsonWriter json;
  json.begin_object();
  text_field(json, "model", model.files.directory());
  json.field("type", std::string_view(facts.type)).field("size", std::string_view(facts.size));
  json.field("description", std::string_view(facts.description));
  json.key("speakers").begin_array();
  for (const Speaker& speaker : model.config.talker.speakers) {
    json.begin_object().field("name", std::string_view(speaker.name)).key("dialect");
    if (speaker.dialect.empty())
      json.null();
    else
      json.value(std::string_view(speaker.dialect));
    json.end_object();
  }
  json.end_array();
  string_array(json, "languages", facts.languages);
  string_array(json, "accepts", facts.accepts);
  json.field("max_characters", model.rules.max_characters);
  json.end_object();
  return json.str() + "\n";
}

std::string voices_text(const VoiceFacts& facts, const Model& model) {
  std::string out = format("model      {}\ntype       {}\n", printable(model.files.directory()), facts.type);
  if (!facts.size.empty()) out += format("size       {}\n", facts.size);
  if (!facts.description.empty()) out += format("about      {}\n", printable(facts.description));
  out += format("speakers   {}\n", facts.speakers.empty() ? "none" : joined(facts.speakers));
  out += format("languages  auto{}{}\n", facts.languages.empty() ? "" : ", ", joined(facts.languages));
  out += format("accepts    {}\n", joined(facts.accepts));
  if (model.rules.max_characters > 0)
    out += format("reach      {} characters per item\n", model.rules.max_characters);
  return out;
}

}  // namespace

// A saved voice instead of a checkpoint.
static int saved_voice(const Arguments& args) {
  const std::string& path = args.operands.front();
  check(!args.has("model"), Exit::usage, "voices {}: expected a saved voice or --model, got both", path);
  const SavedVoice saved = load_voice(path);
  const std::string text = args.has("json") ? describe_voice_json(saved, path) : describe_voice(saved, path);
  write_report(args, text);
  return 0;
}

int voices(const Arguments& args) {
  if (!args.operands.empty()) return saved_voice(args);
  const auto model = load_model(model_choice(args), load_options(args));
  const VoiceFacts facts = facts_of(*model);
  const std::string text = args.has("json") ? voices_json(facts, *model) : voices_text(facts, *model);
  write_report(args, text);
  return 0;
}

// ---- codec encode

int codec_encode(const Arguments& args) {
  check(args.has("output"), Exit::usage, "codec encode: expected --output CODES.json or CODES.safetensors");
  const std::string clip_path = args.operands.front(), path = args.text("output");
  codes_form(path);
  check(!same_file(clip_path, path), Exit::output, "{}: --output: is the clip itself", path);
  const AudioClip clip = read_audio(clip_path);
  const DeviceChoice device = device_choice(args);
  resolve_device(device);
  const auto model = load_model(model_choice(args), load_options(args));
  const ModelConfig& config = model->config;
  check(config.codec_encoder && model->encoder, Exit::bad_input,
        "{}: speech_tokenizer: expected the tensors encoder.*, got none; this checkpoint can only decode",
        config.directory);
  const std::vector<float> samples = resample(clip.samples, clip.rate, config.codec_encoder->sample_rate);
  save_codes(path, {.groups = config.talker.groups, .codes = encode_audio(*model, device, samples)});
  return 0;
}

// ---- tokens -----------------------------------------------------------------------------------------------

namespace {

std::string tokens_json(const Item& item, const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  JsonWriter json;
  json.begin_object();
  id_field(json, item);
  json.key("ids").begin_array();
  for (const int32_t id : ids) json.value(id);
  json.end_array().key("pieces").begin_array();
  for (const int32_t id : ids) {  // a piece may be a part of a character: its bytes are then written as \xNN
    const std::string piece = tokenizer.piece(id);
    json.value(std::string_view(first_invalid_utf8(piece) == piece.npos ? piece : printable(piece)));
  }
  json.end_array().end_object();
  return json.str();
}

std::string tokens_text(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::string out;
  for (const int32_t id : ids) out += format("{}\t'{}'\n", id, printable(tokenizer.piece(id)));
  return out;
}

void limit_length(const Item& item) {
  check(static_cast<int64_t>(item.text.size()) <= limits::kInputBytes, Exit::bad_input,
        "{}text: expected at most {} bytes, got {}", item.where, limits::kInputBytes.value, item.text.size());
}

}  // namespace

int tokens(const Arguments& args) {
  ItemSource source(args, true);
  const Tokenizer tokenizer =
      load_tokenizer(ModelFiles::open(model_choice(args)), load_options(args).pretokenizer);
  ResultSink sink(args, source.several(), false);
  Exit first_failure = Exit::ok;
  while (const std::optional<Item> item = source.next()) {
    try {
      if (item->error) std::rethrow_exception(item->error);
      limit_length(*item);
      const std::vector<int32_t> ids = args.has("raw-control-tokens")
                                           ? tokenizer.encode_with_control(item->text)
                                           : tokenizer.encode(item->text);
      if (args.has("json")) {
        sink.line(tokens_json(*item, tokenizer, ids));
      } else {
        write_stdout(tokens_text(tokenizer, ids));
      }
    } catch (const Error& error) {
      if (error.exit == Exit::output) throw;
      say_error(error.what());
      sink.line(failure_json(*item, error));
      if (first_failure == Exit::ok) first_failure = error.exit;
      if (args.has("fail-fast")) break;
    }
  }
  sink.finish();
  return static_cast<int>(first_failure);
}

}  // namespace tts
