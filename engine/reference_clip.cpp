#include "engine/reference_clip.h"

#include "base/error.h"
#include "base/limits.h"
#include "codec/resample.h"

#include <algorithm>
#include <cmath>

namespace tts {

namespace {

constexpr float kSilence{1e-4f};   // -80 dB: below the noise of any recording
constexpr int kMinRateHz{24'000};  // the rate at which the limit on the length counts
constexpr double kShortSeconds{1.0};

}  // namespace

ReferenceClip prepare_reference(const AudioClip& clip, int rate_hz, const std::string& origin) {
  const auto count = static_cast<int64_t>(clip.samples.size());
  const bool finite =
      std::all_of(clip.samples.begin(), clip.samples.end(), [](float x) { return std::isfinite(x); });
  check(finite, Exit::bad_input, "{}: expected finite samples, got NaN or infinity", origin);
  check(count <= limits::kClipSeconds * clip.rate, Exit::bad_input,
        "{}: expected at most {} seconds of audio, got {}; cut the clip", origin, limits::kClipSeconds.value,
        fixed(static_cast<double>(count) / clip.rate, 2));
  const int64_t comparable = resampled_count(count, clip.rate, kMinRateHz);
  check(comparable >= limits::kClipMinSamples, Exit::bad_input,
        "{}: expected at least {} samples at {} Hz, got {}; use a longer clip, 3 seconds are good", origin,
        limits::kClipMinSamples.value, kMinRateHz, comparable);
  const bool silent =
      std::all_of(clip.samples.begin(), clip.samples.end(), [](float x) { return std::fabs(x) < kSilence; });
  check(!silent, Exit::bad_input, "{}: expected a voice, got silence: every sample is below {}", origin,
        kSilence);

  ReferenceClip out;
  out.rate_hz = rate_hz;
  out.samples = resample(clip.samples, clip.rate, rate_hz);
  const bool still_finite =
      std::all_of(out.samples.begin(), out.samples.end(), [](float x) { return std::isfinite(x); });
  check(still_finite, Exit::bad_input, "{}: samples are too large to be resampled; expected about -1..1",
        origin);
  const double seconds = static_cast<double>(count) / clip.rate;
  if (seconds < kShortSeconds)
    out.warnings.push_back(
        format("{}: only {} seconds of reference audio; 3 seconds or more resemble the voice better", origin,
               fixed(seconds, 2)));
  if (clip.clipped)
    out.warnings.push_back(format("{}: the recording is clipped; the clone may sound harsh", origin));
  return out;
}

std::vector<float> with_silence(const ReferenceClip& clip, int silence_ms) {
  check(silence_ms >= 0 && silence_ms <= kMaxReferenceSilenceMs, Exit::usage,
        "--ref-silence-ms: expected 0..{}, got {}", kMaxReferenceSilenceMs, silence_ms);
  std::vector<float> out = clip.samples;
  out.resize(out.size() + static_cast<size_t>(static_cast<int64_t>(clip.rate_hz) * silence_ms / 1'000), 0.0f);
  return out;
}

}  // namespace tts
