// A stage of the pipeline: a named range for profilers and its host time, added up in milliseconds.
#pragma once

#include "base/trace.h"

#include <chrono>

namespace tts {

class Stage {
 public:
  Stage(const char* name, double& total_ms) : trace_(name), total_ms_(total_ms), begin_(Clock::now()) {}
  ~Stage() { total_ms_ += std::chrono::duration<double, std::milli>(Clock::now() - begin_).count(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  Trace trace_;
  double& total_ms_;
  Clock::time_point begin_;
};

}  // namespace tts
