#include "tools/voice_choice.h"

#include "base/file.h"
#include "base/limits.h"
#include "codec/audio_reader.h"
#include "engine/voice.h"
#include "tools/commands.h"
#include "tools/report.h"
#include "tools/settings.h"
#include "tools/speech_output.h"

namespace tts {

namespace {

// What names a voice: of the item where it says something, else of the command.
struct Wanted {
  std::string audio, transcript, saved;
  bool vector_only = false;
};

std::string transcript_of_command(const Arguments& args) {
  if (!args.has("ref-text-file")) return args.text("ref-text");
  std::string text = read_text(args.text("ref-text-file"), limits::kTextBytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

void check_one_transcript(const Arguments& args) {
  check(!(args.has("ref-text") && args.has("ref-text-file")), Exit::usage,
        "--ref-text: expected one transcript, got --ref-text-file as well");
}

void check_transcript(const Arguments& args, std::string_view what) {
  const bool vector_only = args.has("x-vector-only");
  check(vector_only || args.has("ref-text") || args.has("ref-text-file"), Exit::usage,
        "{}: expected the clip's transcript (--ref-text or --ref-text-file), or --x-vector-only", what);
}

Clone clone_of_clip(const Arguments& args, const Wanted& wanted, Engine& engine) {
  const auto silence = static_cast<int>(args.integer("ref-silence-ms", kReferenceSilenceMs));
  return engine.clone({.clip = read_audio(wanted.audio),
                       .origin = wanted.audio,
                       .transcript = wanted.transcript,
                       .vector_only = wanted.vector_only,
                       .silence_ms = silence});
}

void write_voice(const std::string& path, const ClonedVoice& voice, const Model& model) {
  save_voice(path, {.voice = voice,
                    .groups = voice.in_context() ? model.config.talker.groups : 0,
                    .checkpoint = checkpoint_fingerprint(model.files)});
}

Wanted wanted_by(const Arguments& args, const Item& item) {
  Wanted wanted;
  wanted.vector_only = args.has("x-vector-only");
  if (item.voice) {
    wanted.saved = *item.voice;
    return wanted;
  }
  wanted.audio = item.ref_audio.value_or(args.text("ref-audio"));
  // The transcript of the command belongs to the clip of the command.
  wanted.transcript = item.ref_text ? *item.ref_text : item.ref_audio ? "" : transcript_of_command(args);
  if (wanted.audio.empty()) wanted.saved = args.text("voice");
  return wanted;
}

}  // namespace

void check_voice_options(const Arguments& args) {
  const bool clip = args.has("ref-audio");
  check(!(clip && args.has("voice")), Exit::usage, "--voice: expected one voice, got --ref-audio as well");
  check_one_transcript(args);
  check(clip || args.has("voice") || !args.has("save-voice"), Exit::usage,
        "--save-voice: expected --ref-audio or --voice");
  if (clip) check_transcript(args, "--ref-audio");
}

std::shared_ptr<const ClonedVoice> VoiceChoice::voice_of(const Item& item, Engine& engine,
                                                         std::vector<std::string>& warnings) {
  const Wanted wanted = wanted_by(args_, item);
  if (wanted.audio.empty() && wanted.saved.empty()) {
    check(!item.ref_text, Exit::bad_input, "{}ref_text: expected ref_audio beside it", item.where);
    const std::string speaker = item.speaker.value_or(args_.text("speaker"));
    check(engine.model().config.type != ModelType::base || speaker == "none", Exit::usage,
          "{}a base checkpoint speaks in the voice of a clip: expected --ref-audio or --voice (or --speaker "
          "none)",
          item.where);
    return nullptr;
  }
  const std::string key =
      wanted.saved + '\n' + wanted.audio + '\n' + (wanted.vector_only ? "" : wanted.transcript);
  auto found = known_.find(key);
  if (found == known_.end()) {
    Known known;
    if (!wanted.saved.empty()) {
      const SavedVoice saved = load_voice(wanted.saved);
      known.warnings = check_saved_voice(saved, engine.model(), wanted.saved);
      known.voice = std::make_shared<ClonedVoice>(saved.voice);
    } else {
      Clone clone = clone_of_clip(args_, wanted, engine);
      known.warnings = clone.warnings;
      known.voice = clone.voice;
    }
    found = known_.emplace(key, std::move(known)).first;
  }
  warnings.insert(warnings.end(), found->second.warnings.begin(), found->second.warnings.end());
  return found->second.voice;
}

void VoiceChoice::save(Engine& engine, std::vector<std::string>& warnings) {
  if (!args_.has("save-voice")) return;
  write_voice(args_.text("save-voice"), *voice_of({}, engine, warnings), engine.model());
}

// ---- clone ------------------------------------------------------------------------------------------------

int clone(const Arguments& args) {
  const std::string clip = args.operands.front(), path = args.text("output");
  check(args.has("output") && path != "-", Exit::usage, "clone: expected --output NAME.ttsvoice");
  check_one_transcript(args);
  check_transcript(args, "clone");
  check_output_path(path, false, std::vector<std::string>{clip, args.text("ref-text-file")});
  DeviceChoice choice = device_choice(args);
  resolve_device(choice);
  std::unique_ptr<Model> model = load_model(model_choice(args), load_options(args));
  choice.needs = {.frames = 1, .clips = true};
  Engine engine(std::move(model), choice);
  const Clone made =
      clone_of_clip(args, {clip, transcript_of_command(args), "", args.has("x-vector-only")}, engine);
  const Log log = log_of(args);
  for (const std::string& warning : made.warnings) log.say(warning);
  write_voice(path, *made.voice, engine.model());
  log.say(format("{}: the voice of {}; speak with it: --voice {}", path, clip, path));
  return 0;
}

}  // namespace tts
