// One large allocation that is cut into pieces on the host: device memory is taken once, at the start, and
// what comes and goes later (an utterance's memory, scratch of a load) costs no call of the driver. First fit
// by address; neighbours that are given back join again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace tts::cuda {

class Pool {
 public:
  static constexpr int64_t kAlignment{256};  // bytes, as cudaMalloc

  Pool() = default;
  Pool(void* memory, int64_t bytes);
  void* take(int64_t bytes);  // null: no gap is large enough
  bool give(void* piece);     // false: not a piece of this pool
  void* memory() const { return begin_; }
  int64_t bytes() const { return bytes_; }
  int64_t most_used() const { return most_used_; }  // at any time so far

 private:
  std::byte* begin_ = nullptr;
  int64_t bytes_ = 0, used_ = 0, most_used_ = 0;
  std::map<int64_t, int64_t> gaps_;    // first byte -> bytes
  std::map<int64_t, int64_t> pieces_;  // the same of what is in use
};

}  // namespace tts::cuda
