// What the programs say: lines on standard error, the progress line, one JSON line per item.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "engine/synthesis.h"
#include "tools/items.h"

#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace tts {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin);

// ---- standard error ---------------------------------------------------------------------------------------

struct Log {
  bool quiet = false, verbose = false;

  void say(std::string_view line) const;     // not with --quiet
  void detail(std::string_view line) const;  // with --verbose
};
void say_error(std::string_view line);  // always; control characters are escaped here

// Of a text in several chunks: what lies behind the one that is spoken now, and before it.
struct ChunksAhead {
  int chunk = 0, chunks = 0;    // the one that is spoken now, of how many
  double seconds = 0;           // of audio, before it
  int64_t frames = 0;           // of them spoken in this run, and how long that took
  double elapsed_seconds = 0;
  int64_t expected_frames = 0;  // behind it
};
// "chunk 3 of 40, 45.2 s of audio, RTF 0.51, about 120 s left, until 16:42"
std::string progress_text(const Progress& progress, const ChunksAhead& ahead, std::time_t now);

// One line that is rewritten: frames, seconds, speed, estimated end.
class ProgressLine {
 public:
  ProgressLine(std::string_view when, const Log& log);  // auto, always, never
  bool shown() const { return shown_; }
  void update(const Progress& progress, const ChunksAhead& ahead);
  void clear();  // before anything else is printed

 private:
  bool shown_;
  size_t width_ = 0;
  Clock::time_point last_{};
};

// ---- JSON -------------------------------------------------------------------------------------------------

struct ItemResult {
  const Item* item = nullptr;
  std::string output{}, format{};  // "-" is standard output
  int sample_rate = 0;
  int64_t samples = 0;
  int attempts = 1;
  std::optional<uint64_t> seed{};  // none: nothing was drawn (--from-codes)
  std::string speaker{}, language_asked{};
  Spoken spoken{};
  double load_ms = 0, wall_ms = 0;
  std::vector<std::string> warnings{};
  double seconds() const { return sample_rate > 0 ? static_cast<double>(samples) / sample_rate : 0; }
  double rtf() const { return seconds() > 0 ? wall_ms / 1000 / seconds() : 0; }
};
std::string result_json(const ItemResult& result, const Engine& engine);
std::string failure_json(const Item& item, const Error& error);
std::string summary(const ItemResult& result);
int64_t peak_memory_bytes();

void id_field(JsonWriter& json, const Item& item);
void text_field(JsonWriter& json, std::string_view name, std::string_view text);  // paths need not be UTF-8

// Where the JSON lines go: nowhere, standard output, or a file.
class ResultSink {
 public:
  ResultSink() = default;
  ResultSink(const Arguments& args, bool several, bool by_default);
  ResultSink(const ResultSink&) = delete;
  ~ResultSink();
  void line(const std::string& json);
  void finish();

 private:
  bool to_stdout_ = false, several_ = false;
  std::string path_, whole_;
  int descriptor_ = -1;
};
void write_stdout(std::string_view bytes);  // Exit::output
// To the file of --json=FILE, else standard output.
void write_report(const Arguments& args, std::string_view text);

}  // namespace tts
