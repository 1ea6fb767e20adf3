// How the emulator runs a grid: one fiber per CUDA thread, all on the host thread that launches. A scheduler
// with a seed picks the next runnable thread at random, so a missing barrier shows. Faults end the launch and
// become a sticky error.
//
//   Grid ── Block ── Warp (32 lanes) ── Thread ── Fiber (only while the thread is started and not finished)
//            └── shared memory + one ShadowWord per 4 bytes: who wrote and read it since which barrier
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace tts::emulator {

struct Fiber;
struct Block;

struct Site {  // where a thread waits
  const char* what = "";
  const char* file = "";
  int line = 0;
};

struct Warp {
  uint64_t slot[2][32];  // values of a collective; two sets, for a fast lane may be in the next one already
  uint64_t result[2];
  int arrived = 0;
  int parity = 0;
  uint32_t epoch = 1;    // rises with every collective: orders accesses inside the warp
  Site site;
  struct Thread* waiting[32];
};

struct AsyncCopy {
  std::byte* to;
  const std::byte* from;  // null: zeros
  int group;
};

struct Thread {
  uint3 index{};
  int linear = 0;
  int lane = 0;
  Warp* warp = nullptr;
  Block* block = nullptr;
  Fiber* fiber = nullptr;
  Site site;
  bool spinning = false;
  bool awaits = false;  // of a kernel that may start early: its inputs, not yet waited for
  int copy_group = 0;
  std::vector<AsyncCopy> copies;  // started, not yet waited for: they land only when they are waited for
};

struct ShadowWord {
  // of the block; smaller than first_epoch: not in this block
  uint32_t write_epoch = 0, read_epoch = 0;
  uint32_t write_warp_epoch = 0, read_warp_epoch = 0;
  uint16_t writer = 0, reader = 0;
};

struct Block {
  uint3 index{};
  int threads = 0, arrived = 0, exited = 0;
  std::vector<Thread> thread;
  std::vector<Warp> warp;
  std::vector<Thread*> waiting;
  Site site;
  std::byte* shared_begin = nullptr;
  size_t shared_bytes = 0;
  std::vector<ShadowWord> shadow;
  uint32_t epoch = 1, first_epoch = 1;
  bool checked = true;
};

struct Shape {
  dim3 grid, block;
  size_t shared_bytes = 0;
  bool cooperative = false;
};

inline thread_local Thread* current_thread = nullptr;
struct SharedRange {  // of the block of the current thread: what every access is compared with
  std::byte* begin = nullptr;
  size_t bytes = 0;
  bool checked = false;
};
inline thread_local SharedRange current_shared;
inline thread_local const Shape* current_shape = nullptr;

// Runs the grid to its end. Empty: all went well; else the report of the first fault.
std::string run_grid(const char* name, const Shape& shape, const std::function<void()>& body);

// ---- called by kernels, through cuda_emulator.h
[[noreturn]] void fault(std::string what);
void sync_threads(const char* file, int line);
const uint64_t* gather_warp(uint64_t value, unsigned mask, Site site,
                            void (*reduce)(Warp&, int parity) = nullptr);
uint64_t reduce_warp(uint64_t value, unsigned mask, Site site, void (*reduce)(Warp&, int parity));
void spin();                               // this thread waits for another one
int64_t steps();                           // scheduling decisions of this launch: the emulated clock
void start_copy(std::byte* to, const void* from);
void commit_copies();
void wait_copies(int groups_in_flight);
void check_shadow(std::byte* at, size_t bytes, bool write);

[[noreturn]] void refuse_access(std::byte* at, bool inside);

// The fast path stands in the kernel's own loops; a call for every access was a fifth of the time of all
// kernels.
[[gnu::always_inline]] inline std::byte* touch_shared(std::byte* at, size_t bytes, bool write) {
  const SharedRange& range = current_shared;
  const size_t offset = static_cast<size_t>(at - range.begin);
  const bool inside = offset < range.bytes && bytes <= range.bytes - offset;
  if (!inside || reinterpret_cast<uintptr_t>(at) % bytes != 0) [[unlikely]] refuse_access(at, inside);
  if (range.checked) [[unlikely]] check_shadow(at, bytes, write);
  return at;
}

// ---- called by tests
struct Options {
  uint64_t seed = 1;
  bool permute = true;        // off: threads run in order, as if the machine were kind
  bool check_shared = true;   // races and never-written words of shared memory
  int late_block = -1;        // starts when no other thread can run: a multiprocessor that is held up
};
Options& options();

}  // namespace tts::emulator
