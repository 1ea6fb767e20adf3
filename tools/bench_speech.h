// tts-bench end to end: whole syntheses of three fixed texts, warm-up first, medians and spread.
#pragma once

#include "engine/synthesis.h"

#include <string>
#include <vector>

namespace tts {

struct SpeechBench {
  std::string model;            // directory or "embedded"
  DeviceChoice device;
  std::vector<std::string> labels = {"short", "medium", "long"};
  int frames = 0;               // fixed number of frames; 0: until the end token
  int repeats = 3;
  uint64_t seed = 1;
  bool greedy = false;
  enum class Output { table, line, json } output = Output::table;
  std::string speaker;          // "": the first of the checkpoint
};

// Prints to standard output; `command` is recorded in JSON lines.
void bench_speech(const SpeechBench& bench, const std::string& command);

}  // namespace tts
