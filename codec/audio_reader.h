// A reference clip from a file: WAV, FLAC, Ogg (Vorbis, Opus) or MP3, within the limits of base/limits.h,
// mixed to mono.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tts {

struct AudioClip {
  std::vector<float> samples;  // mean of the channels, finite
  int rate = 0;                // Hz, of the file
  int channels = 0;            // of the file
  std::string format;          // "WAV, 16-bit PCM"
  bool clipped = false;        // some channel reached full scale at least kClippedRun samples in a row
};

AudioClip read_audio(const std::string& path);  // Exit::bad_input names what is wrong
AudioClip parse_audio(std::span<const std::byte> bytes, const std::string& origin);

}  // namespace tts
