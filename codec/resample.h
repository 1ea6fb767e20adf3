// Sample rates: the SoX resampler in its HQ quality, the filter of the official package
// (spec/speaker-encoder.md section 3).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tts {

int64_t resampled_count(int64_t samples, int from_hz, int to_hz);  // ceil(samples * (to / from)) in doubles

// Incremental: the same samples whatever the chunks. Equal rates pass through untouched.
class Resampler {
 public:
  Resampler(int from_hz, int to_hz);
  Resampler(Resampler&&) noexcept;
  ~Resampler();

  // What can be said already about the output; valid until the next call.
  std::span<const float> push(std::span<const float> samples);
  std::span<const float> finish();  // the rest: all outputs together are resampled_count(all inputs)

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::vector<float> resample(std::span<const float> samples, int from_hz, int to_hz);

}  // namespace tts
