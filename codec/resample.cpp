// The library delivers a sample more or less than the official length; the rest is cut or filled with zeros.
#include "codec/resample.h"

#include "base/error.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>

namespace tts {

int64_t resampled_count(int64_t samples, int from_hz, int to_hz) {
  // Rounded as the official package rounds: 11025 samples at 44.1 kHz are 6000.000000000001 at 24 kHz, so
  // 6001.
  const double ratio = static_cast<double>(to_hz) / from_hz;
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) * ratio));
}

struct Resampler::State {
  int from_hz, to_hz;
  soxr_t soxr = nullptr;  // null: equal rates
  int64_t taken = 0, given = 0;
  std::vector<float> out;

  State(int from, int to) : from_hz(from), to_hz(to) {
    check(from > 0 && to > 0, Exit::internal, "resampling: expected positive rates, got {} to {} Hz", from,
          to);
    if (from == to) return;
    soxr_error_t error = nullptr;
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
    soxr = soxr_create(from, to, 1, &error, &io, &quality, &one_thread);
    require(error);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { soxr_delete(soxr); }

  void require(soxr_error_t error) const {
    check(error == nullptr, Exit::internal, "resampling {} to {} Hz: {}", from_hz, to_hz, error);
  }

  // Appends what the library has; `samples` null says that the input has ended.
  void convert(const float* samples, size_t count) {
    const size_t room =
        static_cast<size_t>(resampled_count(static_cast<int64_t>(count), from_hz, to_hz)) + 4096;
    for (;;) {
      const size_t used = out.size();
      out.resize(used + room);
      size_t read = 0, made = 0;
      require(soxr_process(soxr, samples, samples ? count : 0, samples ? &read : nullptr, out.data() + used,
                           room, &made));
      out.resize(used + made);
      if (samples != nullptr) {
        samples += read;
        count -= read;
      }
      if (samples == nullptr ? made == 0 : count == 0 && made < room) return;
    }
  }
};

Resampler::Resampler(int from_hz, int to_hz) : state_(std::make_unique<State>(from_hz, to_hz)) {}
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler::~Resampler() = default;

std::span<const float> Resampler::push(std::span<const float> samples) {
  State& s = *state_;
  if (s.soxr == nullptr) return samples;
  s.out.clear();
  s.taken += static_cast<int64_t>(samples.size());
  if (!samples.empty()) s.convert(samples.data(), samples.size());
  s.given += static_cast<int64_t>(s.out.size());
  return s.out;
}

std::span<const float> Resampler::finish() {
  State& s = *state_;
  s.out.clear();
  if (s.soxr == nullptr) return s.out;
  if (s.taken > 0) s.convert(nullptr, 0);
  // The filter delays its output by more than a sample, so nothing beyond the official length was given
  // before.
  s.out.resize(
      static_cast<size_t>(std::max<int64_t>(0, resampled_count(s.taken, s.from_hz, s.to_hz) - s.given)),
      0.0f);
  s.given += static_cast<int64_t>(s.out.size());
  return s.out;
}

std::vector<float> resample(std::span<const float> samples, int from_hz, int to_hz) {
  Resampler resampler(from_hz, to_hz);
  const std::span<const float> head = resampler.push(samples);
  std::vector<float> out(head.begin(), head.end());
  const std::span<const float> rest = resampler.finish();
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

}  // namespace tts
