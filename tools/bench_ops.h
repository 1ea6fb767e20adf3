// `tts-bench ops`: the table of kernels/cases.h, timed. Refuses to time a wrong answer.
#pragma once

#include "kernels/switches.h"

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

}  // namespace tts
