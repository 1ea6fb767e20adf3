// A fixed set of threads that share loops. The chunks of a loop are fixed by the caller, so results do not
// depend on how many threads there are or who takes which chunk. Chunks are claimed one by one: a thread
// whose core is busy elsewhere claims nothing and holds nobody up. Whoever waits spins for kSpin and then
// sleeps, so two programs on one core share it instead of burning it.
//
// Two lanes have a loop each at the same time: lane 0 belongs to the calling thread, lane 1 to a job that
// runs beside it on the last thread. Without a job that thread helps with lane 0; a caller that waits for the
// job helps with lane 1; the threads between help with whatever there is.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tts {

class Pool {
 public:
  explicit Pool(int threads);  // the caller included
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return total_; }

  // f(chunk, thread) for every chunk in [0, chunks); thread < threads(). Returns when all are done.
  template <class F>
  void run(int lane, int chunks, const F& f) {
    if (chunks == 1 || workers_.empty()) {
      for (int chunk = 0; chunk < chunks; ++chunk) f(chunk, lanes_[lane].owner);
      return;
    }
    share(
        lanes_[lane], chunks,
        [](const void* body, int chunk, int thread) { (*static_cast<const F*>(body))(chunk, thread); }, &f);
  }

  // job(argument) beside what the caller does next; only with more than one thread, one job at a time.
  using Job = void (*)(void* argument);
  void start(Job job, void* argument);
  bool job_runs() const { return job_state_.load(std::memory_order_acquire) != JobState::done; }
  void finish();  // helps until the job is done; throws what it threw

 private:
  using Call = void (*)(const void* body, int chunk, int thread);
  struct Lane {
    int owner = 0;  // the thread that calls its loops
    Call call = nullptr;
    const void* body = nullptr;
    std::atomic<uint64_t> ticket{0};  // loop number (24 bits), chunks (20), next chunk (20)
    std::atomic<int> done{0};         // chunks of this loop; the owner waits on it
  };
  enum class JobState : int { done, waiting, running };

  void share(Lane& lane, int chunks, Call call, const void* body);
  static bool help(Lane& lane, int thread);  // true: something was done
  void announce();
  void run_job(int thread);
  void live(int thread);

  const int total_;  // known to the workers while they are still being made
  Lane lanes_[2];
  std::atomic<int> news_{0};  // counts loops and ends of jobs; who has nothing to do waits on it
  std::atomic<bool> stop_{false};
  std::atomic<JobState> job_state_{JobState::done};
  Job job_ = nullptr;
  void* job_argument_ = nullptr;
  std::exception_ptr job_error_;
  std::vector<std::thread> workers_;
};

// One lane of a pool that is shared.
class Team {
 public:
  Team(std::shared_ptr<Pool> pool, int lane) : pool_(std::move(pool)), lane_(lane) {}
  int threads() const { return pool_->threads(); }
  template <class F>
  void run(int chunks, const F& f) const {
    pool_->run(lane_, chunks, f);
  }
  Pool& pool() const { return *pool_; }
  const std::shared_ptr<Pool>& shared() const { return pool_; }

 private:
  std::shared_ptr<Pool> pool_;
  int lane_;
};

struct Placement {
  int threads = 1;
  std::string why;  // one line for `doctor`
};
// As many threads as physical cores this process may use.
Placement default_placement();

}  // namespace tts
