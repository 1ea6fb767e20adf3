// The symbols of a piece are a linked list; a heap holds every pair that can merge. A pair that vanished
// because a neighbour merged first stays in the heap and is recognised when it comes up: its position then
// offers another merge.
#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>

namespace tts {

namespace {

constexpr uint32_t kNone{0xffffffff};

class Merger {
 public:
  Merger(const Vocabulary& vocabulary, MergeScratch& scratch)
      : vocabulary_(vocabulary), symbols_(scratch.symbols), heap_(scratch.heap) {}

  void start(std::string_view piece) {
    const auto n = static_cast<uint32_t>(piece.size());
    symbols_.resize(n);
    heap_.clear();
    for (uint32_t i = 0; i < n; ++i)
      symbols_[i] = {id_of_byte(static_cast<unsigned char>(piece[i])), -1, i - 1, i + 1 < n ? i + 1 : kNone};
    for (uint32_t i = 0; i + 1 < n; ++i)
      if (look_up(i)) heap_.push_back(entry(i));
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void run() {
    while (!heap_.empty()) {
      const uint64_t best = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      heap_.pop_back();
      const auto at = static_cast<uint32_t>(best);
      if (symbols_[at].merge == static_cast<int32_t>(best >> 32)) merge(at);
    }
  }

 private:
  uint64_t entry(uint32_t at) const { return static_cast<uint64_t>(symbols_[at].merge) << 32 | at; }

  bool look_up(uint32_t at) {
    MergeScratch::Symbol& s = symbols_[at];
    s.merge = s.next == kNone ? -1 : vocabulary_.merged(s.token, symbols_[s.next].token);
    return s.merge >= 0;
  }

  void offer(uint32_t at) {
    if (!look_up(at)) return;
    heap_.push_back(entry(at));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void merge(uint32_t at) {
    MergeScratch::Symbol& s = symbols_[at];
    MergeScratch::Symbol& swallowed = symbols_[s.next];
    s.token = s.merge;
    s.next = swallowed.next;
    swallowed.merge = -1;
    if (s.next != kNone) symbols_[s.next].previous = at;
    offer(at);
    if (s.previous != kNone) offer(s.previous);
  }

  const Vocabulary& vocabulary_;
  std::vector<MergeScratch::Symbol>& symbols_;
  std::vector<uint64_t>& heap_;
};

}  // namespace

void merge_piece(const Vocabulary& vocabulary, std::string_view piece, MergeScratch& scratch,
                 std::vector<int32_t>& ids) {
  if (piece.empty()) return;
  Merger merger(vocabulary, scratch);
  merger.start(piece);
  merger.run();
  for (uint32_t at = 0; at != kNone; at = scratch.symbols[at].next) ids.push_back(scratch.symbols[at].token);
}

}  // namespace tts
