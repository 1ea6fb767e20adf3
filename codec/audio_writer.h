// Speech into a file, a pipe or a device, piece by piece. A file appears under its name when it is complete;
// a pipe gets every sample at once.
//
//   AudioWriter out("hello.wav", {.format = AudioFormat::wav});
//   out.write(samples);
//   out.finish();
#pragma once

#include "base/file.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

// wav: 16-bit PCM, 44-byte header. ogg: Vorbis. opus: in Ogg. raw: 16-bit little-endian, no header.
enum class AudioFormat : uint8_t { wav, wav24, wavf32, flac, ogg, opus, mp3, raw };

std::string_view str(AudioFormat kind);        // as --format spells it
std::string_view extension(AudioFormat kind);  // "wav", "flac", "ogg", "opus", "mp3", "raw"
std::vector<std::string_view> audio_format_names();
// The named format, or with name "" the one of the path's extension; "-" is wav. Exit::usage lists what is
// known.
AudioFormat choose_audio_format(std::string_view path, std::string_view name);
// Exit::usage when this build of libsndfile cannot write the format, or the format not this rate.
void check_audio_output(AudioFormat kind, int rate_hz);

struct AudioOutput {
  AudioFormat format = AudioFormat::wav;
  int rate_hz = 24'000;    // of the samples that are written
  int output_rate_hz = 0;  // of the file; 0: the same
  FileWriter::Existing existing = FileWriter::Existing::replace;
};

class AudioWriter {
 public:
  // "-" is standard output. FIFOs and devices are written directly: their headers say that the length is
  // unknown. A standard output that is a terminal is Exit::usage.
  AudioWriter(const std::string& path, const AudioOutput& output);
  AudioWriter(AudioWriter&&) noexcept;
  ~AudioWriter();  // without finish(): no file, and the previous one stays

  // A sample that is not finite is Exit::internal and nothing of the piece is written. Beyond -1..1 is
  // clamped, counted.
  void write(std::span<const float> samples);
  void finish();
  void finish_as(const std::string& path);  // "STEM.partial.EXT"; pipes and devices: the same as finish()
  void discard();

  bool is_file() const;     // false: a pipe or device, each write() is out at once
  int64_t samples() const;  // taken by write()
  int64_t clamped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
