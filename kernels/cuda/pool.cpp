#include "kernels/cuda/pool.h"

#include <algorithm>
#include <iterator>

namespace tts::cuda {

Pool::Pool(void* memory, int64_t bytes) : begin_(static_cast<std::byte*>(memory)), bytes_(bytes) {
  if (bytes > 0) gaps_[0] = bytes;
}

void* Pool::take(int64_t bytes) {
  const int64_t size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  const auto gap = std::find_if(gaps_.begin(), gaps_.end(), [&](const auto& g) { return g.second >= size; });
  if (gap == gaps_.end()) return nullptr;
  const auto [at, room] = *gap;
  gaps_.erase(gap);
  if (room > size) gaps_[at + size] = room - size;
  pieces_[at] = size;
  used_ += size;
  most_used_ = std::max(most_used_, used_);
  return begin_ + at;
}

bool Pool::give(void* memory) {
  const auto* at = static_cast<std::byte*>(memory);
  const auto piece =
      begin_ && at >= begin_ && at < begin_ + bytes_ ? pieces_.find(at - begin_) : pieces_.end();
  if (piece == pieces_.end()) return false;
  used_ -= piece->second;
  auto gap = gaps_.emplace(piece->first, piece->second).first;
  pieces_.erase(piece);
  const auto next = std::next(gap);
  if (next != gaps_.end() && gap->first + gap->second == next->first) {
    gap->second += next->second;
    gaps_.erase(next);
  }
  if (gap == gaps_.begin()) return true;
  const auto before = std::prev(gap);
  if (before->first + before->second == gap->first) {
    before->second += gap->second;
    gaps_.erase(gap);
  }
  return true;
}

}  // namespace tts::cuda
