#include "engine/guard.h"

#include <algorithm>

namespace tts {

namespace {

constexpr int kSilentFrames{25};
constexpr double kSilenceRms{1e-3};  // -60 dBFS

bool is_silent(std::span<const float> frame) {
  double energy = 0;
  for (const float x : frame) energy += static_cast<double>(x) * x;
  return energy < kSilenceRms * kSilenceRms * static_cast<double>(frame.size());
}

}  // namespace

SpeechGuard::SpeechGuard(int samples_per_frame, int sample_rate, bool on)
    : samples_per_frame_(samples_per_frame), tail_samples_(sample_rate / 5), on_(on) {}

bool SpeechGuard::push(std::span<const float> frame, std::vector<float>& out) {
  const bool silent = on_ && is_silent(frame);
  if (!silent || !spoken_) {
    release(out);
    out.insert(out.end(), frame.begin(), frame.end());
    handed_out_ += static_cast<long long>(frame.size());
    spoken_ = spoken_ || !silent;
    silent_frames_ = 0;
    quiet_samples_ = 0;
    return false;
  }
  const auto now =
      static_cast<size_t>(std::min<int>(tail_samples_ - quiet_samples_, static_cast<int>(frame.size())));
  out.insert(out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(now));
  held_.insert(held_.end(), frame.begin() + static_cast<std::ptrdiff_t>(now), frame.end());
  quiet_samples_ += static_cast<int>(now);
  handed_out_ += static_cast<long long>(now);
  return ++silent_frames_ == kSilentFrames;
}

void SpeechGuard::release(std::vector<float>& out) {
  out.insert(out.end(), held_.begin(), held_.end());
  handed_out_ += static_cast<long long>(held_.size());
  held_.clear();
}

int SpeechGuard::covered_frames() const {
  return static_cast<int>((handed_out_ + samples_per_frame_ - 1) / samples_per_frame_);
}

}  // namespace tts
