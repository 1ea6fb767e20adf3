// Where the audio of an item goes, and what is true of it before the first sample: a file that cannot be
// written is refused before a model is loaded, and nothing is created before there is sound.
#pragma once

#include "codec/audio_writer.h"
#include "tools/cli.h"
#include "tools/player.h"
#include "tools/signals.h"

#include <optional>
#include <span>
#include <string>

namespace tts {

struct OutputPlan {
  std::string path{};    // a file, FIFO or device; "-": standard output
  std::string player{};  // instead of a path
  AudioFormat format = AudioFormat::wav;
  int rate_hz = 0;  // 0: the model's
  bool keep_existing = false;
  std::string said{};  // how it was chosen, when nobody chose it
  bool is_stream() const { return !player.empty() || path == "-"; }
  std::string name() const { return player.empty() ? path : player; }
};

// Of a run with one item, or of the file that --join makes of several.
OutputPlan plan_output(const Arguments& args);
// Of one item of many: `wanted` is its `output` key, or empty.
OutputPlan plan_item_output(const Arguments& args, const std::string& id, const std::string& wanted);

// Exit::output for what can be known already: a directory, an existing file with --no-clobber, a folder that
// cannot be written, a name that is also an input.
void check_output_path(const std::string& path, bool keep_existing, std::span<const std::string> inputs);
std::string partial_name(const std::string& path);  // "hello.wav" -> "hello.partial.wav"

class SpeechOutput {
 public:
  SpeechOutput(const OutputPlan& plan, int sample_rate);
  void begin();  // there is something to lose: from here on a signal ends the run in order
  void write(std::span<const float> samples);  // the first call creates the file
  void finish();                               // also without a sample: an empty file with a header
  void finish_partial();  // the file's name says that it is not all; nothing when there is no sample
  void discard();
  bool reader_gone() const;     // of standard output
  int64_t samples_out() const;  // as written, at the rate of the file
  int64_t clamped() const { return clamped_; }
  std::string final_name() const { return final_name_; }

 private:
  OutputPlan plan_;
  int sample_rate_;
  int64_t samples_ = 0, clamped_ = 0;
  std::string final_name_;
  std::optional<Player> player_;
  std::optional<Orderly> orderly_;
  std::optional<AudioWriter> writer_;
  void open();
  void close();
};

}  // namespace tts
