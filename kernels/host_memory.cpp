#include "kernels/host_memory.h"

#include <sys/mman.h>
#include <fstream>

namespace tts {

// Mapped rather than malloc'ed: pages arrive zeroed and only when touched, and blocks of 2 MiB and more get
// huge pages. Convolution weights are read with strides of many KiB; with 4 KiB pages each row would miss the
// address translation cache.
void* HostMemory::allocate(int64_t bytes) {
  constexpr size_t kHugePage{size_t{2} << 20};
  check(bytes >= 0, Exit::internal, "allocate: expected a size, got {}", bytes);
  const size_t size = bytes > 0 ? static_cast<size_t>(bytes) : 1;
  const size_t slack = size >= kHugePage ? kHugePage : 0;
  void* mapped = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(mapped != MAP_FAILED, Exit::device,
        "memory: expected {} bytes, the system has no more; close other programs", bytes);
  std::byte* begin = static_cast<std::byte*>(mapped);
  if (slack > 0) {  // cut to a huge-page boundary at the front, the rest at the back
    const size_t front = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
    if (front > 0) munmap(begin, front);
    begin += front;
    const size_t page = 4096, kept = (size + page - 1) / page * page;
    if (slack - front >= page && kept < size + slack - front)
      munmap(begin + kept, size + slack - front - kept);
    madvise(begin, kept, MADV_HUGEPAGE);
  }
  blocks_.emplace(begin, size);
  bytes_ += static_cast<int64_t>(size);
  return begin;
}

void HostMemory::release(void* memory) {
  const auto block = blocks_.find(memory);
  check(block != blocks_.end(), Exit::internal, "release: not memory of this device");
  munmap(memory, block->second);
  bytes_ -= static_cast<int64_t>(block->second);
  blocks_.erase(block);
}

HostMemory::~HostMemory() {
  for (const auto& [memory, bytes] : blocks_) munmap(memory, bytes);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace tts
