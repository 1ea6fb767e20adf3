// The state of a device of type Cuda: found GPU, two streams with their scratch, memory, recorded graphs,
// published cursors.
#pragma once

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/pool.h"

#include <list>
#include <map>
#include <utility>

namespace tts {

struct Cuda::State {
  State() = default;
  State(const State&) = delete;
  ~State() { close(); }

  struct Graph {
    uint64_t key;
    cudaGraphExec_t exec;
    int64_t nodes;
  };
  struct Slot {              // where a cursor is published
    int index = 0;
    uint32_t epoch = 0;      // rises when the host resets the cursor: older publications do not count
    Cursor newest{};         // last whole one seen in this epoch
  };
  static constexpr int kSlots{64};
  static constexpr size_t kGraphs{32};

  Switches switches;
  cudaDeviceProp properties{};
  int index = 0;
  Counters counters;
  Queue first, second;
  cudaEvent_t begun = nullptr, ended = nullptr;  // of a timing
  // Of each stream: its last upload, and whether the other stream has yet to wait for it.
  struct Upload {
    cudaEvent_t done = nullptr;
    bool awaited = false;
  };
  Upload uploads[2];
  cudaEvent_t job_done = nullptr;
  void* fetch_room = nullptr;  // pinned
  int64_t fetch_capacity = 0;
  std::map<void*, int64_t> memory;  // pieces of the pool and what did not fit there
  cuda::Pool pool;
  int64_t memory_bytes = 0;
  std::list<Graph> graphs;   // most recently used first
  cuda::Gemm gemm;
  bool in_bulk = false;
  bool codec_tf32 = false;
  bool recording = false;
  int64_t launches_before = 0;
  std::map<const Cursor*, Slot> slots;
  cuda::Published* published = nullptr;  // pinned, [kSlots]
  uint32_t* epochs = nullptr;            // device, [kSlots]

  void open(const DeviceOptions& options);
  void find_gpu(int gpu);
  void open_queue(Queue& q, int priority, int64_t scratch_bytes);
  void open_gemm(bool rounded);
  void close();
  void* take(int64_t bytes);
  void* ask_driver(int64_t bytes);
  void note_upload(const Queue& q);
  void order_behind_uploads(Queue& q);
  void reserve_fetch(int64_t bytes);
  void reset_cursors(const void* begin, int64_t bytes);
  void forget_graphs();
  Slot& slot_of(const Cursor* cursor);
};

}  // namespace tts
