// Named time ranges: one line per stage, never per operation. NVTX ranges when its headers were there at
// build time (they cost nothing without a profiler), and a Chrome/Perfetto trace file when one was opened.
#pragma once

#include <string>

namespace tts {

// Ranges of all threads between open and close are written to `path` as trace-event JSON. One file at a time.
void open_trace(const std::string& path);
void close_trace();  // writes the file; Exit::output on failure. Nothing to do when none is open.

class Trace {
 public:
  explicit Trace(const char* name);  // a literal: the pointer is kept
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

 private:
  const char* name_;
  long long begin_ns_;  // negative: no file was open
};

}  // namespace tts
