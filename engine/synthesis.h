// What the tools see of the engine: open a checkpoint on a device, speak a request, receive samples.
//
//   Engine engine(model, {.kind = "cpu"});
//   Spoken spoken = engine.speak({.text = "Hello."},
//                                {.samples = [&](std::span<const float> pcm) { write(pcm); }});
#pragma once

#include "engine/model.h"
#include "kernels/arena.h"
#include "kernels/switches.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tts {

enum class TextMode : uint8_t { automatic, upfront, stream };
enum class FinishReason : uint8_t { eos, length, guard, cancelled, timeout };
std::string_view str(FinishReason reason);

struct Sampling {  // fields start as the checkpoint's generation_config.json says (defaults_of)
  bool greedy = false, sub_greedy = false;
  float temperature = 0, sub_temperature = 0;
  float top_p = 0, sub_top_p = 0;
  int top_k = 0, sub_top_k = 0;
  float repetition_penalty = 0;
  int max_new_tokens = 0;  // talker tokens: at most one frame fewer
};
Sampling defaults_of(const GenerationDefaults& defaults);

struct ClonedVoice {                    // Base checkpoints
  std::vector<float> speaker_vector;    // [H]
  std::vector<int32_t> codes;           // [R][groups]; empty: speaker vector only
  std::string transcript;               // of the reference, in-context mode
  bool in_context() const { return !codes.empty(); }
};

struct SpeakRequest {
  std::string text;
  std::string speaker;                  // "": no speaker row
  std::string language = "auto";        // name or "auto"
  std::string instruct;
  std::shared_ptr<const ClonedVoice> voice;
  TextMode text_mode = TextMode::automatic;
  bool raw_control_tokens = false;      // tokenise the official template string whole
  Sampling sampling;
  uint64_t seed = 0;
  double max_seconds = 0;               // 0: no limit of its own
  bool guard = true;
  int fixed_frames = 0;  // benchmarks: exactly this many frames, the end token is blocked; 0: off
  int first_chunk_frames = 1, chunk_frames = 4;  // how often samples are handed over; never changes them
  bool official_chunks = false;  // decode in chunks of 300 frames with 25 of context, as the official package
  bool official_reference_cut = false;  // the proportional cut of the reference part
  std::vector<int32_t> forced_codes;    // teacher forcing: [frames + 1][groups]
};

struct Progress {
  int frames = 0;
  double seconds = 0;          // of audio
  double elapsed_seconds = 0;
  int expected_frames = 0;     // estimate from the text
};

struct SpeakCallbacks {        // called on the caller's thread
  std::function<void(std::span<const float>)> samples;
  std::function<void(const Progress&)> progress;
  std::function<std::optional<FinishReason>()> stop;  // asked every frame; cancelled or timeout ends the item
};

struct StageTimes {            // milliseconds
  double tokenize = 0, prefill = 0, first_audio = 0, talker = 0, predictor = 0, codec = 0, write = 0,
         total = 0;
};

struct Spoken {
  FinishReason finish = FinishReason::eos;
  std::vector<int32_t> codes;  // [frames][groups]
  int frames = 0;
  int64_t samples = 0;
  int text_tokens = 0, prompt_rows = 0;
  std::string language_used;   // after the dialect override; "auto" when none
  double predictor_passes = 0; // per frame
  StageTimes times;
  Counters counters;           // after the prefill
  std::vector<std::string> warnings;
};

// What the longest utterance of a run needs, as far as it is known before the first one: a device with memory
// of its own takes all of it at the start. What goes beyond is a warning of the utterance that does.
struct RunNeeds {
  int frames = 0;          // 0: as many as guard and checkpoint allow
  int text_tokens = 0;     // 0: a safe chunk
  int prompt_tokens = 0;   // of an instruction, or a transcript longer than that of the longest clip
  int carried_tokens = 0;  // of the chunk before, which leads on behind the reference clip
  bool clips = false;      // reference clips are encoded
};

struct DeviceChoice {
  std::string kind = "auto";   // auto, cpu, cuda, reference, emulator
  std::string dtype = "auto";  // auto, f32, bf16
  std::string quant = "none";  // none, int8, int4
  std::string codec_dtype = "f32";  // f32; tf32 on cuda
  RunNeeds needs = {};
  DeviceOptions options;
};
struct DeviceFacts {
  std::string kind, name, dtype, quant, codec_dtype;
  std::string why;             // how auto decided; empty when the device was named
  int threads = 0;
  int64_t memory_bytes = 0;    // device memory taken
  // Of a device with memory of its own: what it has, what was free before anything was taken, its own scratch
  // and then the plan.
  int64_t total_bytes = 0, free_bytes = 0;
  std::vector<Arena::Entry> plan = {};
};
// Which device `choice` means on this machine; Exit::device with what was found and needed when it cannot
// run.
DeviceFacts resolve_device(const DeviceChoice& choice);
std::vector<std::string> device_kinds();  // of this build

// Audio at the codec's rate -> codes, [frames][groups], without the memory of a whole engine: the codec's
// encoder alone.
std::vector<int32_t> encode_audio(const Model& model, const DeviceChoice& choice,
                                  std::span<const float> samples);

struct CloneRequest;  // engine/clone.h
struct Clone;

class Engine {
 public:
  Engine(std::shared_ptr<const Model> model, const DeviceChoice& choice);
  Engine(Engine&&) noexcept;
  ~Engine();

  Spoken speak(const SpeakRequest& request, const SpeakCallbacks& callbacks);
  // A reference clip -> a voice for any number of requests. Base checkpoints.
  Clone clone(const CloneRequest& request);
  // Codes alone -> samples: [frames][groups].
  std::vector<float> decode(std::span<const int32_t> codes, bool official_chunks = false);

  const Model& model() const;
  const DeviceFacts& device() const;
  std::vector<Arena::Entry> plan() const;  // session memory, by name
  int64_t session_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
