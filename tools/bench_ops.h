// `tts-bench ops`: the table of kernels/cases.h, timed. Refuses to time a wrong answer.
#pragma once

#include "kernels/switches.h"

#include <span>
#include <string>

namespace tts {

struct BenchOps {
  std::string device = "cpu";
  DeviceOptions options;
  std::string filter;    // part of the case's name; "": all timed cases
  double seconds = 0.3;  // per case
  bool json = false;     // JSON lines instead of a table
  std::string command;   // as typed, for the record
};
void bench_ops(const BenchOps& request);

struct MachineRates {  // what the machine can do with the threads asked for; 0: this device cannot tell
  double gflop_s = 0, gb_s = 0;
};
MachineRates measure_machine(const std::string& device, const DeviceOptions& options);

// Throws when a value is farther from the right one than its bound, or is no number.
void check_answer(const std::string& name, std::span<const float> got, std::span<const float> want,
                  std::span<const double> bound);

}  // namespace tts
