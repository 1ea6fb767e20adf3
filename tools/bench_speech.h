// The reports of tts-bench that speak: end to end, streaming, positions, voice assistant, start of the
// process. Warm-up first; every repetition must give the codes of the warm-up, else nothing is printed.
#pragma once

#include "base/json.h"
#include "engine/synthesis.h"

#include <chrono>
#include <string>
#include <vector>

namespace tts {

struct SpeechBench {
  std::string model;            // directory or "embedded"
  DeviceChoice device;
  std::vector<std::string> labels = {"short", "medium", "long"};
  std::string text;             // instead of the labels
  int frames = 0;               // fixed number of frames; 0: until the end token
  int from = 0;                 // positions: text tokens of the prompt
  int repeats = 0;              // 0: what the report needs
  uint64_t seed = 1;
  int first_chunk_frames = 1, chunk_frames = 4;
  enum class Output { table, line, json } output = Output::table;
  std::string command;          // as typed, for the record
};

void bench_speech(const SpeechBench& bench);     // the three texts
// first audio, jitter of the chunks, underruns at real-time playback
void bench_stream(const SpeechBench& bench);
void bench_positions(const SpeechBench& bench);  // milliseconds per frame along one long utterance
void bench_assistant(const SpeechBench& bench);  // what a voice assistant asks of an engine
void bench_start(const SpeechBench& bench);      // tts-gen from its start to its first sample, cold and warm
void bench_encode(const SpeechBench& bench);     // ten seconds of reference audio through both encoders
// stages of a frame against memory and arithmetic of the machine
void bench_floors(const SpeechBench& bench);

// ---- shared by the reports ----------------------------------------------------------------------

struct OpenBench {
  Engine engine;
  double load_ms;    // files opened and checked, the device and its memory ready
  bool random_weights;  // the checkpoint was made, not trained
};
OpenBench open_bench(const SpeechBench& bench);

std::string bench_text(const SpeechBench& bench, const std::string& label);
// One request, or several where the text is longer than the voice reaches; a fixed number of frames uses the
// first alone.
std::vector<SpeakRequest> requests_of(const SpeechBench& bench, const Model& model, const std::string& text);
Spoken speak_all(Engine& engine, const std::vector<SpeakRequest>& requests, const SpeakCallbacks& callbacks);
double seconds_of(const Model& model, const Spoken& spoken);
// Throws when a repetition gave other codes than the warm-up.
void check_same(const Spoken& warm, const Spoken& again, const std::string& what);

// What every JSON line begins with: report, command, commit, machine, model, device.
void record_head(JsonWriter& json, const SpeechBench& bench, const OpenBench& open, std::string_view report);
void print_line(const JsonWriter& json);
double processor_ms();  // of all threads: what something costs on a busy machine

}  // namespace tts
