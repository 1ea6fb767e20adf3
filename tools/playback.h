// Chunks of samples against a clock: when they came, and whether a player that started with the first would
// have run dry.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

namespace tts {

struct Arrival {
  double ms;        // since the start of the synthesis
  int64_t samples;
};

// A player that starts with the first chunk and waits when there is nothing to play.
struct Playback {
  double first_audio_ms = 0;
  std::vector<double>
      slack_ms;  // of every later chunk: how long before it was needed it came; below 0 it came too late
  int underruns = 0;             // times the player waited
  double waited_ms = 0;
};
Playback play(std::span<const Arrival> arrivals, int sample_rate);

// The same with a real clock and a real thread: takes 10 ms of samples every 10 ms and throws them away.
// push() only counts, so it can never make the synthesis wait.
class NullSink {
 public:
  explicit NullSink(int sample_rate);
  NullSink(const NullSink&) = delete;
  ~NullSink();

  void push(int64_t samples);
  void finish();  // no more will come; returns when all was played

  int64_t played() const { return played_.load(); }
  int underruns() const { return underruns_.load(); }
  double longest_push_us() const { return longest_push_us_; }

 private:
  void run();

  int64_t period_samples_;
  std::atomic<int64_t> pushed_{0}, played_{0};
  std::atomic<int> underruns_{0};
  std::atomic<bool> ended_{false};
  double longest_push_us_ = 0;
  std::thread thread_;
};

}  // namespace tts
