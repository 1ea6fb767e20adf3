#include "base/trace.h"

#include "base/file.h"
#include "base/json.h"

#include <unistd.h>

#ifdef TTS_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

namespace tts {

namespace {

struct Event {
  const char* name;
  long long begin_ns, end_ns;
  int thread;
};

// The one open trace file. Ranges are per stage, not per operation: a lock per range is nothing beside what
// it measures.
struct Recorder {
  std::mutex lock;
  std::atomic<bool> open{false};
  std::unique_ptr<FileWriter> file;
  std::vector<Event> events;
  std::atomic<int> threads{0};
};

Recorder& recorder() {
  static Recorder instance;
  return instance;
}

long long now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int thread_number() {
  thread_local const int number = recorder().threads.fetch_add(1);
  return number;
}

}  // namespace

void open_trace(const std::string& path) {
  Recorder& to = recorder();
  const std::scoped_lock hold(to.lock);
  check(!to.file, Exit::usage, "{}: a trace file is open already", path);
  to.file = std::make_unique<FileWriter>(path);  // an unwritable path is known before the work, not after it
  to.events.clear();
  to.open = true;
}

void close_trace() {
  Recorder& from = recorder();
  const std::scoped_lock hold(from.lock);
  if (!from.file) return;
  from.open = false;
  const std::unique_ptr<FileWriter> file = std::move(from.file);
  JsonWriter json;
  json.begin_object().field("displayTimeUnit", "ms").key("traceEvents").begin_array();
  for (const Event& event : from.events) {
    json.begin_object()
        .field("name", event.name)
        .field("ph", "X")
        .field("pid", static_cast<int64_t>(getpid()));
    json.field("tid", event.thread).field("ts", static_cast<double>(event.begin_ns) * 1e-3);
    json.field("dur", static_cast<double>(event.end_ns - event.begin_ns) * 1e-3).end_object();
  }
  json.end_array().end_object();
  file->write(json.str().data(), json.str().size());
  file->commit();
}

Trace::Trace(const char* name) : name_(name), begin_ns_(recorder().open ? now_ns() : -1) {
#ifdef TTS_NVTX
  nvtxRangePushA(name);
#endif
}

Trace::~Trace() {
#ifdef TTS_NVTX
  nvtxRangePop();
#endif
  if (begin_ns_ < 0) return;
  const long long end_ns = now_ns();
  Recorder& to = recorder();
  const std::scoped_lock hold(to.lock);
  if (to.file) to.events.push_back({name_, begin_ns_, end_ns, thread_number()});
}

}  // namespace tts
