#include "kernels/cpu/pool.h"

#include "base/error.h"

#include <sched.h>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <utility>

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

Pool::Pool(int threads) : total_(threads) {
  for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { live(thread); });
}

Pool::~Pool() {
  stop_ = true;
  announce();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::announce() {
  news_.fetch_add(1, std::memory_order_release);
  news_.notify_all();
}

void Pool::share(Lane& lane, int chunks, Call call, const void* body) {
  check(chunks >= 0 && chunks <= static_cast<int>(kChunkMask), Exit::internal, "a loop of {} chunks", chunks);
  const uint64_t loop = (lane.ticket.load(std::memory_order_relaxed) >> (2 * kChunkBits)) + 1;
  lane.call = call, lane.body = body;
  lane.done.store(0, std::memory_order_relaxed);
  lane.ticket.store(loop << (2 * kChunkBits) | static_cast<uint64_t>(chunks) << kChunkBits,
                    std::memory_order_release);
  announce();
  help(lane, lane.owner);
  for (int done = lane.done.load(std::memory_order_acquire); done < chunks;
       done = lane.done.load(std::memory_order_acquire)) {
    wait_for_change(lane.done, done);
  }
}

// Claims chunks while there are any. What call and body hold is read only after a successful claim: the owner
// cannot leave before that chunk is done.
bool Pool::help(Lane& lane, int thread) {
  bool helped = false;
  uint64_t ticket = lane.ticket.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t chunks = ticket >> kChunkBits & kChunkMask, next = ticket & kChunkMask;
    if (next >= chunks) return helped;
    if (!lane.ticket.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire))
      continue;
    lane.call(lane.body, static_cast<int>(next), thread);
    lane.done.fetch_add(1, std::memory_order_acq_rel);
    lane.done.notify_one();
    helped = true;
    ticket = lane.ticket.load(std::memory_order_acquire);
  }
}

void Pool::live(int thread) {
  const bool takes_jobs = thread + 1 == total_;
  for (;;) {
    const int seen = news_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    if (takes_jobs && job_state_.load(std::memory_order_acquire) == JobState::waiting) {
      run_job(thread);
      continue;
    }
    const bool first = help(lanes_[0], thread), second = help(lanes_[1], thread);
    const bool helped = first || second;
    if (!helped) wait_for_change(news_, seen);
  }
}

// ---- jobs -------------------------------------------------------------------------------------------------

void Pool::start(Job job, void* argument) {
  check(!workers_.empty() && !job_runs(), Exit::internal, "pool: a job beside {} threads, one running: {}",
        threads(), job_runs());
  job_ = job, job_argument_ = argument;
  job_state_.store(JobState::waiting, std::memory_order_release);
  announce();
}

void Pool::run_job(int thread) {
  job_state_.store(JobState::running, std::memory_order_relaxed);
  lanes_[1].owner = thread;
  try {
    job_(job_argument_);
  } catch (...) {
    job_error_ = std::current_exception();
  }
  lanes_[1].owner = 0;
  job_state_.store(JobState::done, std::memory_order_release);
  announce();
}

void Pool::finish() {
  for (;;) {
    const int seen = news_.load(std::memory_order_acquire);
    if (!job_runs()) break;
    if (!help(lanes_[1], 0)) wait_for_change(news_, seen);
  }
  if (job_error_) std::rethrow_exception(std::exchange(job_error_, nullptr));
}

// ---- how many ---------------------------------------------------------------------------------------------

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
