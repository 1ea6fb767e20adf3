// Reference clips. What is accepted is finite, within the limits, and of a rate and length that the rest can
// rely on.
#include "base/limits.h"
#include "codec/audio_io.h"
#include "fuzz.h"

#include <algorithm>
#include <cmath>

TTS_FUZZ(audio) {
  tts::AudioClip clip;
  const auto parse = [&] {
    clip = tts::parse_audio(std::as_bytes(std::span(bytes.data(), bytes.size())), "clip");
  };
  if (!tts::fuzz::accepts(parse)) return;
  const auto count = static_cast<int64_t>(clip.samples.size());
  tts::fuzz::require(count > 0 && count <= tts::limits::kClipSeconds * clip.rate,
                     "a clip of accepted length");
  tts::fuzz::require(clip.rate >= tts::limits::kClipMinRate && clip.rate <= tts::limits::kClipMaxRate,
                     "an accepted rate");
  tts::fuzz::require(clip.channels >= 1 && clip.channels <= tts::limits::kClipChannels,
                     "an accepted number of channels");
  tts::fuzz::require(
      std::all_of(clip.samples.begin(), clip.samples.end(), [](float x) { return std::isfinite(x); }),
      "finite samples");
}
