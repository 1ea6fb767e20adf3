#include "tools/playback.h"

#include <algorithm>

namespace tts {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPeriod{10};

}  // namespace

Playback play(std::span<const Arrival> arrivals, int sample_rate) {
  Playback result;
  if (arrivals.empty()) return result;
  result.first_audio_ms = arrivals[0].ms;
  double dry_ms = arrivals[0].ms;  // when the player has played everything that came
  for (size_t i = 0; i < arrivals.size(); ++i) {
    if (i > 0) {
      const double slack = dry_ms - arrivals[i].ms;
      result.slack_ms.push_back(slack);
      if (slack < 0) {
        ++result.underruns;
        result.waited_ms -= slack;
        dry_ms = arrivals[i].ms;
      }
    }
    dry_ms += 1000.0 * static_cast<double>(arrivals[i].samples) / sample_rate;
  }
  return result;
}

NullSink::NullSink(int sample_rate)
    : period_samples_(int64_t{sample_rate} * kPeriod.count() / 1000), thread_([this] { run(); }) {}

NullSink::~NullSink() {
  ended_ = true;
  played_ = pushed_.load();  // nobody wants to hear the rest
  if (thread_.joinable()) thread_.join();
}

void NullSink::push(int64_t samples) {
  const auto begin = Clock::now();
  pushed_ += samples;
  const double took = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  longest_push_us_ = std::max(longest_push_us_, took);
}

void NullSink::finish() {
  ended_ = true;
  if (thread_.joinable()) thread_.join();
}

void NullSink::run() {
  while (pushed_ == 0 && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  auto next = Clock::now();
  bool dry = false;  // one wait counts once, however many periods it lasts
  while (!ended_ || played_ < pushed_) {
    const int64_t there = pushed_ - played_;
    const bool enough = there >= period_samples_ || (ended_ && there > 0);
    if (enough) {
      played_ += std::min(there, period_samples_);
    } else if (!ended_ && !dry) {
      ++underruns_;
    }
    dry = !enough;
    next += kPeriod;
    std::this_thread::sleep_until(next);
  }
}

}  // namespace tts
