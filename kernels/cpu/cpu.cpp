#include "kernels/cpu/cpu.h"

#include <cstring>

namespace tts {

Cpu::Cpu(const DeviceOptions& options)
    : switches_(options.switches),
      level_(choose_level(options.cpu_level)),
      team_(std::make_shared<Pool>(options.threads > 0 ? options.threads : default_placement().threads), 0) {
  if (team_.threads() > 1) beside_.reset(new Cpu(*this, 1));
}

Cpu::Cpu(const Cpu& first, int lane)
    : switches_(first.switches_), level_(first.level_), team_(first.team_.shared(), lane) {}

std::vector<std::string_view> Cpu::levels() {
  std::vector<std::string_view> names;
  for (const Level level : levels_of_this_cpu()) names.push_back(str(level));
  return names;
}

void* GrowingMemory::grow(int64_t bytes) {
  if (bytes > bytes_) {
    if (block_ != nullptr) memory_.release(block_);
    block_ = memory_.allocate(bytes);
    bytes_ = bytes;
  }
  return block_;
}

void* Cpu::allocate(int64_t bytes) {
  ++counters_.allocations;
  return memory_.allocate(bytes);
}

void Cpu::zero(void* to, int64_t bytes) { std::memset(to, 0, static_cast<size_t>(bytes)); }

void Cpu::copy(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;  // an empty list may have no address
  std::memmove(to, from, static_cast<size_t>(bytes));
}

void Cpu::upload(void* to, const void* from, int64_t bytes) {
  ++counters_.copies;
  copy(to, from, bytes);
}

void Cpu::download(void* to, const void* from, int64_t bytes) {
  ++counters_.copies;
  ++counters_.syncs;
  copy(to, from, bytes);
}

}  // namespace tts
