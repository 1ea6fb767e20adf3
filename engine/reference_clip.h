// From a clip that someone recorded to what the encoders take: checked, at their sample rate
// (spec/speaker-encoder.md sections 1 to 3). Nothing is trimmed, filtered or made louder.
#pragma once

#include "codec/audio_reader.h"

#include <span>
#include <string>
#include <vector>

namespace tts {

struct ReferenceClip {
  std::vector<float> samples;  // mono, at rate_hz
  int rate_hz = 0;
  std::vector<std::string> warnings;  // shorter than a second; clipped
};

// Exit::bad_input: silent, too short, too long, not finite. `origin` is what messages call the clip.
ReferenceClip prepare_reference(const AudioClip& clip, int rate_hz, const std::string& origin);

// For the codec encoder, in-context mode: silence behind the clip keeps its last sound out of the beginning
// of the clone. The speaker encoder takes the clip without it. 0 ms is the official behaviour.
inline constexpr int kReferenceSilenceMs{500};
inline constexpr int kMaxReferenceSilenceMs{5'000};
std::vector<float> with_silence(const ReferenceClip& clip, int silence_ms);  // Exit::usage out of range

}  // namespace tts
