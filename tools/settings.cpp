#include "tools/settings.h"

#include "engine/guard.h"
#include "engine/speech_plan.h"
#include "tools/languages.h"

#include <algorithm>
#include <cstdlib>
#include <random>

namespace tts {

Log log_of(const Arguments& args) { return {.quiet = args.has("quiet"), .verbose = args.has("verbose")}; }

static std::string model_of_environment() {
  const char* value = std::getenv("TTS_MODEL");
  return value ? value : "";
}

bool chose_model(const Arguments& args) { return args.has("model") || !model_of_environment().empty(); }

std::string model_choice(const Arguments& args) {
  if (args.has("model")) return args.text("model");
  if (chose_model(args)) return model_of_environment();
  check(has_embedded_voice(), Exit::usage,
        "no model: give -m DIR with a Qwen3-TTS checkpoint, or set TTS_MODEL; this build carries no embedded "
        "voice");
  return "embedded";
}

LoadOptions load_options(const Arguments& args) {
  const bool patched = args.has("pretokenizer") && args.text("pretokenizer") == "patched";
  return {.strict = args.has("strict"),
          .pretokenizer = patched ? Pretokenizer::patched : Pretokenizer::standard};
}

DeviceChoice device_choice(const Arguments& args) {
  constexpr int kMostDevices{64};
  DeviceChoice choice;
  choice.kind = args.text("device", "auto");
  if (choice.kind.starts_with("cuda:")) {
    choice.options.index =
        static_cast<int>(parse_integer(choice.kind.substr(5), 0, kMostDevices - 1, "--device cuda:N"));
    choice.kind = "cuda";
  }
  const std::vector<std::string> known{"auto", "cpu", "cuda", "reference", "emulator"};
  check(std::find(known.begin(), known.end(), choice.kind) != known.end(), Exit::usage,
        "--device: expected auto, cpu, cuda, cuda:N, reference or emulator, got '{}'", choice.kind);
  choice.dtype = args.text("dtype", "auto");
  choice.quant = args.text("quant", "none");
  choice.codec_dtype = args.text("codec-dtype", "f32");
  choice.options.threads = static_cast<int>(args.integer("threads", 0));
  choice.options.cpu_level = args.text("cpu-level");
  choice.options.switches = parse_ablations(args.text("ablate"));
  return choice;
}

RunNeeds needs_of(const Arguments& args, const Model& model) {
  RunNeeds needs;
  const bool whole = args.text("split") == "none" || args.has("raw-control-tokens");
  constexpr int kMost{static_cast<int>(limits::kTextTokens.value)};
  needs.text_tokens = whole ? kMost : std::clamp(model.rules.max_characters, kSafeTokens, kMost);
  if (args.has("carry")) needs.carried_tokens = kCarryTokens;
  double frames = sampling_of(args, model.config).max_new_tokens - 1;
  if (args.text("guard", "on") == "on") frames = std::min<double>(frames, frame_ceiling(needs.text_tokens));
  const CodecDecoderConfig& codec = model.config.codec;
  if (const double seconds = args.real("max-seconds", 0); seconds > 0)
    frames = std::min(frames, seconds * codec.sample_rate / codec.samples_per_frame);
  needs.frames = std::clamp(static_cast<int>(frames), 1, static_cast<int>(limits::kFrames));
  if (args.has("instruct"))
    needs.prompt_tokens = static_cast<int>(model.tokenizer.encode(args.text("instruct")).size());
  const bool base = model.config.type == ModelType::base;
  needs.clips = base && (args.has("ref-audio") || args.text("input") == "jsonl");
  return needs;
}

Sampling sampling_of(const Arguments& args, const ModelConfig& config) {
  Sampling s = defaults_of(config.generation);
  s.temperature = static_cast<float>(args.real("temperature", s.temperature));
  s.top_k = static_cast<int>(args.integer("top-k", s.top_k));
  s.top_p = static_cast<float>(args.real("top-p", s.top_p));
  s.repetition_penalty = static_cast<float>(args.real("repetition-penalty", s.repetition_penalty));
  s.sub_temperature = static_cast<float>(args.real("sub-temperature", s.sub_temperature));
  s.sub_top_k = static_cast<int>(args.integer("sub-top-k", s.sub_top_k));
  s.sub_top_p = static_cast<float>(args.real("sub-top-p", s.sub_top_p));
  s.max_new_tokens = static_cast<int>(args.integer("max-new-tokens", s.max_new_tokens));
  if (args.has("greedy")) s.greedy = s.sub_greedy = true;
  check(!args.has("top-k") || s.top_k <= config.talker.dims.V, Exit::usage, "--top-k: expected 0..{}, got {}",
        config.talker.dims.V, s.top_k);
  check(!args.has("sub-top-k") || s.sub_top_k <= config.predictor.V, Exit::usage,
        "--sub-top-k: expected 0..{}, got {}", config.predictor.V, s.sub_top_k);
  return s;
}

uint64_t draw_seed() {
  std::random_device device;
  return device();
}

uint64_t seed_of_attempt(uint64_t seed, int attempt) {
  if (attempt == 0) return seed;
  // splitmix64: neighbouring seeds and attempts give unrelated numbers.
  uint64_t z = seed + static_cast<uint64_t>(attempt) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) >> 1;  // can be given as --seed again
}

std::string choose_speaker_name(const std::optional<std::string>& asked, const ModelConfig& config) {
  if (asked) return *asked == "none" ? "" : *asked;
  const bool has_speakers = config.type == ModelType::custom_voice && !config.talker.speakers.empty();
  return has_speakers ? config.talker.speakers.front().name : "";
}

std::string language_name(const std::string& asked, const ModelConfig& config) {
  if (find_language(config, asked) != nullptr) return asked;
  const std::string_view name = language_of_code(asked);
  return name.empty() ? asked : std::string(name);
}

}  // namespace tts
