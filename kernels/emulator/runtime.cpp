// Streams, events, graphs and errors of the emulated machine (runtime.h). Its memory is in memory.cpp.
//
// One lock guards the machine. Work is executed by the host thread that pumps: one that waits for a stream,
// asks for its state, or has put more than kQueueLimit pieces of work into it.
#include "kernels/emulator/runtime.h"

#include "kernels/emulator/execution.h"
#include "kernels/emulator/memory.h"

#include "base/error.h"

#include <chrono>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

namespace tts::emulator {

struct Work {
  std::function<std::string()> run;  // empty: a wait for `event`; returns the report of a fault
  Event* event = nullptr;
  int64_t generation = 0;
};
struct Graph {
  std::vector<Work> nodes;
};
struct Stream {
  std::deque<Work> queue;
  Graph* capturing = nullptr;
};
struct Event {
  int64_t recorded = 0, completed = 0;
  std::chrono::steady_clock::time_point time{};
};

namespace {

constexpr size_t kQueueLimit{64};
constexpr int kMultiprocessors{4};
constexpr size_t kSharedPerMultiprocessor{228 << 10};
constexpr size_t kSharedPerBlock{227 << 10};
constexpr int kThreadsPerMultiprocessor{2048};

struct Machine {
  std::vector<Stream*> streams;
  cudaError_t error = cudaSuccess;
  std::string report;
  Counts counts;
  int devices = 1;
  uint64_t random = 88172645463325252ull;
};

Machine& machine() {
  static Machine* the = new Machine;  // outlives every static that still frees memory
  return *the;
}

cudaError_t fail(cudaError_t error, const std::string& report) {
  Machine& m = machine();
  if (m.error == cudaSuccess) {
    m.error = error;
    m.report = report;
  }
  return error;
}

bool can_run(const Stream& stream) {
  if (stream.queue.empty()) return false;
  const Work& work = stream.queue.front();
  return work.run || work.event->completed >= work.generation;
}

// One piece of work of a stream chosen at random; false: nothing can run.
bool run_one(Machine& m) {
  std::vector<Stream*> able;
  for (Stream* stream : m.streams) {
    if (can_run(*stream)) able.push_back(stream);
  }
  if (able.empty()) return false;
  m.random = (m.random ^ options().seed) * 6364136223846793005ull + 1442695040888963407ull;
  Stream* stream = able[(m.random >> 33) % able.size()];
  Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (work.run && m.error == cudaSuccess) {
    const std::string report = work.run();
    if (!report.empty()) fail(cudaErrorLaunchFailure, report);
  } else if (work.run && work.event) {
    work.run();  // events complete even after an error, or their waiters would hang
  }
  return true;
}

cudaError_t drain(Machine& m, const std::function<bool()>& done) {
  const OpenMemory open;
  while (!done()) {
    if (!run_one(m)) return fail(cudaErrorLaunchFailure, "streams wait for each other: no work can run");
  }
  return m.error;
}

cudaError_t push(Machine& m, Stream* stream, Work work) {
  if (stream->capturing) {
    stream->capturing->nodes.push_back(std::move(work));
    return m.error;
  }
  stream->queue.push_back(std::move(work));
  if (stream->queue.size() <= kQueueLimit) return m.error;
  return drain(m, [&] { return stream->queue.size() <= kQueueLimit / 2; });
}

}  // namespace

const Counts& counts() { return machine().counts; }

void set_device_count(int count) { machine().devices = count; }

void reset_device() {
  Machine& m = machine();
  const Guard guard(machine_lock());
  for (Stream* stream : m.streams) stream->queue.clear();
  m.error = cudaSuccess;
  m.report.clear();
}

cudaError_t fail_device(const std::string& report) { return fail(cudaErrorLaunchFailure, report); }

void drain_all() {
  Machine& m = machine();
  drain(m, [&] {
    for (const Stream* stream : m.streams) {
      if (!stream->queue.empty()) return false;
    }
    return true;
  });
}

void count_allocation() { ++machine().counts.allocations; }

cudaError_t enqueue_kernel(cudaStream_t stream, const char* name, const Shape& shape,
                           std::function<void()> body) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (shape.shared_bytes > kSharedPerBlock) return cudaErrorInvalidConfiguration;
  if (shape.cooperative) {
    int per_multiprocessor = 0;
    const int threads = static_cast<int>(shape.block.x * shape.block.y * shape.block.z);
    max_resident_blocks(&per_multiprocessor, threads, shape.shared_bytes);
    if (shape.grid.x * shape.grid.y * shape.grid.z >
        static_cast<unsigned>(per_multiprocessor * kMultiprocessors)) {
      return cudaErrorCooperativeLaunchTooLarge;
    }
  }
  Work work;
  work.run = [name, shape, body = std::move(body)]() -> std::string {
    ++machine().counts.launches;
    return run_grid(name, shape, body);
  };
  return push(m, stream, std::move(work));
}

cudaError_t max_resident_blocks(int* per_multiprocessor, int threads, size_t shared_bytes) {
  const int by_threads = kThreadsPerMultiprocessor / threads;
  const int by_shared = static_cast<int>(kSharedPerMultiprocessor / (shared_bytes + 1024));
  *per_multiprocessor = std::min({by_threads, by_shared, 32});
  return cudaSuccess;
}

}  // namespace tts::emulator

using namespace tts::emulator;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorCooperativeLaunchTooLarge: return "cudaErrorCooperativeLaunchTooLarge";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
  }
  return "unknown error";
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? machine().report.c_str() : cudaGetErrorName(error);
}
cudaError_t cudaPeekAtLastError() { return machine().error; }
cudaError_t cudaGetLastError() { return machine().error; }  // sticky: a failed kernel ends the context

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine().devices;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < machine().devices ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {};
  strcpy(properties->name, "host emulation of the CUDA execution model");
  properties->major = 9;
  properties->multiProcessorCount = kMultiprocessors;
  properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  properties->cooperativeLaunch = 1;
  properties->l2CacheSize = 50 << 20;
  properties->sharedMemPerBlockOptin = kSharedPerBlock;
  properties->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  size_t free = 0;
  cudaMemGetInfo(&free, &properties->totalGlobalMem);
  return cudaSetDevice(device);
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {.binaryVersion = 90, .ptxVersion = 90, .numRegs = 0};
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

// ---- copies -------------------------------------------------------------------------------------

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  const bool to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
  if ((to_device && !on_device(to, bytes)) || (from_device && !on_device(from, bytes))) {
    return fail(cudaErrorInvalidValue, "copy of memory that is not device memory");
  }
  if (kind != cudaMemcpyDeviceToDevice) ++m.counts.copies;
  Work work;
  const bool pageable = kind != cudaMemcpyDeviceToDevice && !is_pinned(from_device ? to : from);
  if (pageable && stream->capturing)
    return fail(cudaErrorStreamCaptureUnsupported, "a graph holds a copy of pageable memory");
  if (pageable && to_device) {  // staged: the caller may reuse its memory at once
    std::vector<std::byte> staged(static_cast<const std::byte*>(from),
                                  static_cast<const std::byte*>(from) + bytes);
    work.run = [to, staged = std::move(staged)] {
      memcpy(to, staged.data(), staged.size());
      return std::string{};
    };
  } else {
    work.run = [to, from, bytes] {
      memmove(to, from, bytes);
      return std::string{};
    };
  }
  const cudaError_t error = push(m, stream, std::move(work));
  return pageable && from_device ? drain(m, [&] { return stream->queue.empty(); }) : error;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (!on_device(to, bytes)) return fail(cudaErrorInvalidValue, "memset of memory that is not device memory");
  Work work;
  work.run = [to, value, bytes] {
    memset(to, value, bytes);
    return std::string{};
  };
  return push(m, stream, std::move(work));
}

// ---- streams and events -------------------------------------------------------------------------

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  *stream = new Stream;
  m.streams.push_back(*stream);
  return m.error;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  drain(m, [&] { return stream->queue.empty(); });
  std::erase(m.streams, stream);
  delete stream;
  return m.error;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (stream->capturing)
    return fail(cudaErrorStreamCaptureUnsupported, "waiting for a stream that is being recorded");
  ++m.counts.syncs;
  return drain(m, [&] { return stream->queue.empty(); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (!stream->queue.empty()) {
    const OpenMemory open;
    run_one(m);
  }
  if (m.error != cudaSuccess) return m.error;
  return stream->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  return push(m, stream, Work{{}, event, event->recorded});
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  drain(m, [&] { return event->completed >= event->recorded; });
  delete event;
  return m.error;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (stream->capturing)
    return fail(cudaErrorStreamCaptureUnsupported, "an event inside of a recorded graph");
  const int64_t generation = ++event->recorded;
  Work work;
  work.event = event;
  work.run = [event, generation] {
    event->completed = generation;
    event->time = std::chrono::steady_clock::now();
    return std::string{};
  };
  return push(m, stream, std::move(work));
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  if (event->completed < event->recorded) {
    const OpenMemory open;
    run_one(m);
  }
  if (m.error != cudaSuccess) return m.error;
  return event->completed >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  ++m.counts.syncs;
  return drain(m, [&] { return event->completed >= event->recorded; });
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* argument) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  Work work;
  work.run = [function, argument] {
    function(argument);
    return std::string{};
  };
  return push(m, stream, std::move(work));
}

// ---- graphs -------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Guard guard(machine_lock());
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = new Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Guard guard(machine_lock());
  if (!stream->capturing) return cudaErrorStreamCaptureUnsupported;
  *graph = std::exchange(stream->capturing, nullptr);
  return machine().error;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new Graph(*graph);
  ++machine().counts.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void*, size_t* count) {
  *count = graph->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  Work work;
  work.run = [exec] {
    for (const Work& node : exec->nodes) {
      if (const std::string report = node.run(); !report.empty()) return report;
    }
    return std::string{};
  };
  return push(m, stream, std::move(work));
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  Machine& m = machine();
  const Guard guard(machine_lock());
  drain_all();  // it may still be queued
  delete exec;
  return m.error;
}
