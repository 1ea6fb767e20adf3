#include "kernels/cpu/pool.h"

#include "base/error.h"

#include <sched.h>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>

namespace tts {

namespace {

constexpr std::chrono::microseconds kSpin{50};  // the gap between two operations of a frame is 1 to 20
constexpr int kChunkBits{20};
constexpr uint64_t kChunkMask{(1u << kChunkBits) - 1};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Until `value` is no longer `old`.
void wait_for_change(const std::atomic<int>& value, int old) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Pool::Pool(int threads) {
  for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { live(thread); });
}

Pool::~Pool() {
  stop_ = true;
  loop_.fetch_add(1);
  loop_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::share(int chunks, Call call, const void* body) {
  check(chunks >= 0 && chunks <= static_cast<int>(kChunkMask), Exit::internal, "a loop of {} chunks", chunks);
  const auto loop = static_cast<uint32_t>(loop_.load(std::memory_order_relaxed) + 1) & 0xffffffu;
  call_ = call, body_ = body;
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(uint64_t{loop} << (2 * kChunkBits) | static_cast<uint64_t>(chunks) << kChunkBits,
                std::memory_order_release);
  loop_.fetch_add(1, std::memory_order_release);
  loop_.notify_all();
  work(loop, 0);
  for (int done = done_.load(std::memory_order_acquire); done < chunks;
       done = done_.load(std::memory_order_acquire)) {
    wait_for_change(done_, done);
  }
}

// Claims chunks while the loop is still the one the thread was called for. What call_ and body_ hold is read
// only after a successful claim: the caller cannot leave before that chunk is done.
void Pool::work(uint32_t loop, int thread) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t chunks = ticket >> kChunkBits & kChunkMask, next = ticket & kChunkMask;
    if (ticket >> (2 * kChunkBits) != loop || next >= chunks) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire))
      continue;
    call_(body_, static_cast<int>(next), thread);
    done_.fetch_add(1, std::memory_order_acq_rel);
    done_.notify_one();
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void Pool::live(int thread) {
  int seen = 0;
  for (;;) {
    wait_for_change(loop_, seen);
    seen = loop_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    work(static_cast<uint32_t>(seen) & 0xffffffu, thread);
  }
}

// ---- how many
// --------------------------------------------------------------------------------------------------------

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Processors allowed by a quota of the control group ("200000 100000" microseconds), or 0.
int quota() {
  const std::string line = first_line("/sys/fs/cgroup/cpu.max");
  const size_t space = line.find(' ');
  if (space == line.npos || line.rfind("max", 0) == 0) return 0;
  const double share = std::strtod(line.c_str(), nullptr) / std::strtod(line.c_str() + space, nullptr);
  return std::max(1, static_cast<int>(share + 0.99));
}

}  // namespace

Placement default_placement() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::set<std::string> cores;  // hyper-threads of one core share its vector units and its list of siblings
  int logical = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      ++logical;
      const std::string directory = format("/sys/devices/system/cpu/cpu{}/topology/", cpu);
      const std::string siblings = first_line(directory + "thread_siblings_list");
      cores.insert(siblings.empty() ? format("{}", cpu) : siblings);
    }
  }
  Placement placement;
  placement.threads = std::max<int>(1, static_cast<int>(cores.size()));
  placement.why = format("{} physical cores, {} logical processors allowed", cores.size(), logical);
  const int limit = quota();
  if (limit > 0 && limit < placement.threads) {
    placement.threads = limit;
    placement.why += format(", a quota of {} processors", limit);
  }
  return placement;
}

}  // namespace tts
