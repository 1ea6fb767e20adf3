// One allocation per session. The layout is a pure function of the dimensions: the same function runs twice,
// first with no memory behind it (to learn the size, and to print the plan), then with the memory.
//
//   struct Scratch { float* x; float* logits; };
//   Scratch lay_out(Arena& a, const Dims& m) {
//     return {.x = a.take<float>("x", m.H), .logits = a.take<float>("logits", m.V)};
//   }
//
//   Arena plan;  lay_out(plan, m);                    // plan.bytes()
//   Arena arena(device.allocate(plan.bytes()));  Scratch s = lay_out(arena, m);
#pragma once

#include "base/types.h"

#include <cstddef>
#include <string>
#include <vector>

namespace tts {

class Arena {
 public:
  // In bytes; a multiple of every cache line and of a GPU's access width.
  static constexpr int64_t kAlignment{256};

  struct Entry {
    std::string name;
    int64_t bytes;
  };

  Arena() = default;                                                       // plans only
  explicit Arena(void* memory) : base_(static_cast<std::byte*>(memory)) {}

  template <class T>
  T* take(const char* name, int64_t count) {
    const int64_t bytes = checked_mul(count, sizeof(T), name);
    const int64_t begin = used_;
    used_ = checked_mul(checked_add(checked_add(begin, bytes, name), kAlignment - 1, name) / kAlignment,
                        kAlignment, name);
    entries_.push_back({name, bytes});
    return base_ ? reinterpret_cast<T*>(base_ + begin) : nullptr;
  }

  int64_t bytes() const { return used_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::byte* base_ = nullptr;
  int64_t used_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace tts
