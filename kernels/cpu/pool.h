// A fixed set of threads that share loops. The chunks of a loop are fixed by the caller, so results do not
// depend on how many threads there are or who takes which chunk. Chunks are claimed one by one: a thread
// whose core is busy elsewhere claims nothing and holds nobody up. Whoever waits spins for kSpin and then
// sleeps, so two programs on one core share it instead of burning it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace tts {

class Pool {
 public:
  explicit Pool(int threads);  // the caller included
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // f(chunk, thread) for every chunk in [0, chunks); thread < threads(). Returns when all are done.
  template <class F>
  void run(int chunks, const F& f) {
    if (chunks == 1 || workers_.empty()) {
      for (int chunk = 0; chunk < chunks; ++chunk) f(chunk, 0);
      return;
    }
    share(
        chunks,
        [](const void* body, int chunk, int thread) { (*static_cast<const F*>(body))(chunk, thread); }, &f);
  }

 private:
  using Call = void (*)(const void* body, int chunk, int thread);
  void share(int chunks, Call call, const void* body);
  void work(uint32_t loop, int thread);
  void live(int thread);

  Call call_ = nullptr;
  const void* body_ = nullptr;
  std::atomic<uint64_t> ticket_{0};  // loop number (24 bits), chunks (20), next chunk (20)
  std::atomic<int> loop_{0};         // counts loops; the workers wait on it
  std::atomic<int> done_{0};         // chunks of this loop; the caller waits on it
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

struct Placement {
  int threads = 1;
  std::string why;  // one line for `doctor`
};
// As many threads as physical cores this process may use.
Placement default_placement();

}  // namespace tts
