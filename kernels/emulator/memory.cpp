// One range of addresses is the device's memory. Allocations lie in it with a red zone behind each; fresh
// memory holds NaN.
//
//   [ allocation | red zone 256 bytes ][ allocation | red zone ] ...   all of it closed to host code
#include "kernels/emulator/memory.h"

#include "kernels/emulator/execution.h"
#include "kernels/emulator/runtime.h"

#include "base/error.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

namespace tts::emulator {
namespace {

constexpr size_t kReserved{size_t{64} << 30};
constexpr size_t kHugePage{2 << 20};
constexpr size_t kRedZone{256};
constexpr int kPoison{0xff};    // f32, bf16: NaN; integers: -1
constexpr int kRedPoison{0xa5};

struct Memory {
  std::byte* base = nullptr;
  size_t high = 0;                       // bytes ever used from the base
  size_t total = size_t{8} << 30, used = 0;
  std::map<std::byte*, size_t> live;     // device: begin -> bytes
  std::map<std::byte*, size_t> pinned;
  std::map<std::byte*, size_t> holes;
  int open = 0;
  struct sigaction previous {};
};

Memory& memory() {
  static Memory* the = new Memory;
  return *the;
}

// Async-signal-safe. Ours end the program with a report; every other fault takes its old course.
void on_segv(int number, siginfo_t* info, void*) {
  const std::byte* at = static_cast<std::byte*>(info->si_addr);
  Memory& m = memory();
  if (m.base && at >= m.base && at < m.base + kReserved) {
    const char* text = current_thread ? "emulator: a kernel touched unmapped device memory\n"
                                      : "emulator: host code touched device memory\n";
    [[maybe_unused]] const ssize_t written = write(2, text, strlen(text));
    _exit(static_cast<int>(Exit::internal));
  }
  sigaction(number, &m.previous, nullptr);
}

// In huge pages, where there are any: the whole of it is opened and closed with every wait of the host, which
// took three quarters of the time of a small model with pages of 4 KiB.
void reserve(Memory& m) {
  void* range =
      mmap(nullptr, kReserved + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(range != MAP_FAILED, Exit::device, "emulator: cannot reserve addresses for device memory");
  m.base = static_cast<std::byte*>(range) + (kHugePage - reinterpret_cast<uintptr_t>(range) % kHugePage);
  madvise(m.base, kReserved, MADV_HUGEPAGE);
}

// Others (a test framework) may have put their handler in place of ours since the last allocation.
void handle_signals(Memory& m) {
  struct sigaction current {};
  sigaction(SIGSEGV, nullptr, &current);
  if (current.sa_sigaction == on_segv) return;
  m.previous = current;
  struct sigaction action {};
  action.sa_sigaction = on_segv;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

void protect(const Memory& m, int access) {
  const size_t bytes = (m.high + kHugePage - 1) / kHugePage * kHugePage;
  if (bytes == 0 || mprotect(m.base, bytes, access) == 0) return;
  perror("emulator: cannot change the protection of device memory");
  abort();  // also reached from a destructor
}

std::byte* find_room(Memory& m, size_t bytes) {
  for (auto hole = m.holes.begin(); hole != m.holes.end(); ++hole) {
    if (hole->second < bytes) continue;
    std::byte* at = hole->first;
    const size_t rest = hole->second - bytes;
    m.holes.erase(hole);
    if (rest) m.holes[at + bytes] = rest;
    return at;
  }
  std::byte* at = m.base + m.high;
  m.high += bytes;
  return at;
}

// Neighbouring holes become one: what was ever used is protected as a whole, so it must not grow for ever.
void add_hole(Memory& m, std::byte* at, size_t bytes) {
  auto next = m.holes.lower_bound(at);
  if (next != m.holes.end() && at + bytes == next->first) {
    bytes += next->second;
    next = m.holes.erase(next);
  }
  if (next != m.holes.begin() && std::prev(next)->first + std::prev(next)->second == at) {
    std::prev(next)->second += bytes;
    return;
  }
  m.holes[at] = bytes;
}

const std::pair<std::byte* const, size_t>* containing(const std::map<std::byte*, size_t>& map,
                                                      const void* at) {
  std::byte* byte = static_cast<std::byte*>(const_cast<void*>(at));
  auto next = map.upper_bound(byte);
  if (next == map.begin()) return nullptr;
  --next;
  return byte < next->first + next->second ? &*next : nullptr;
}

size_t padded(size_t bytes) { return (bytes + 255) / 256 * 256 + kRedZone; }

}  // namespace

std::recursive_mutex& machine_lock() {
  // outlives every static that still frees memory
  static std::recursive_mutex* the = new std::recursive_mutex;
  return *the;
}

OpenMemory::OpenMemory() {
  Memory& m = memory();
  machine_lock().lock();
  if (m.open++ == 0 && m.base) protect(m, PROT_READ | PROT_WRITE);
}

OpenMemory::~OpenMemory() {
  Memory& m = memory();
  if (--m.open == 0 && m.base) protect(m, PROT_NONE);
  machine_lock().unlock();
}

bool on_device(const void* at, size_t bytes) {
  Memory& m = memory();
  const Guard guard(machine_lock());
  const auto* found = containing(m.live, at);
  return found && static_cast<const std::byte*>(at) + bytes <= found->first + found->second;
}

bool is_pinned(const void* at) {
  Memory& m = memory();
  const Guard guard(machine_lock());
  return containing(m.pinned, at) != nullptr;
}

void set_memory(size_t bytes) { memory().total = bytes; }

std::string refuse_pointer(const void* pointer) {
  Memory& m = memory();
  const Guard guard(machine_lock());
  if (pointer == nullptr || containing(m.live, pointer) || containing(m.pinned, pointer)) return {};
  const std::byte* at = static_cast<const std::byte*>(pointer);
  if (m.base && at >= m.base && at < m.base + kReserved)
    return "points to device memory that is not allocated";
  return "points to pageable host memory";
}

// A word of a struct is taken for a pointer when it is an address of mapped memory above 4 GiB; two numbers
// side by side are not, except below the end of the address sanitizer's shadow, where everything is mapped.
#if defined(TTS_SANITIZED)
constexpr int kSmallest{45};  // bits
#else
constexpr int kSmallest{32};
#endif

std::string refuse_words(const void* object, size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    uintptr_t word;
    memcpy(&word, static_cast<const std::byte*>(object) + at, sizeof word);
    if (word >> kSmallest == 0 || word >> 47 != 0) continue;
    const std::string why = refuse_pointer(reinterpret_cast<const void*>(word));
    if (why.empty()) continue;
    if (msync(reinterpret_cast<void*>(word / page * page), page, MS_ASYNC) == 0) return why;
  }
  return {};
}

}  // namespace tts::emulator

using namespace tts::emulator;

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = memory().total;
  *free = memory().total - std::min(memory().used, memory().total);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** result, size_t bytes) {
  const Guard guard(machine_lock());
  Memory& m = memory();
  if (m.base == nullptr) reserve(m);
  handle_signals(m);
  const OpenMemory open;
  *result = nullptr;
  if (bytes == 0) return cudaSuccess;
  const size_t room = padded(bytes);
  if (room > m.total || m.used > m.total - room) return cudaErrorMemoryAllocation;
  std::byte* at = find_room(m, room);
  protect(m, PROT_READ | PROT_WRITE);
  ASAN_UNPOISON_MEMORY_REGION(at, room);
  memset(at, kPoison, bytes);
  memset(at + bytes, kRedPoison, room - bytes);
  ASAN_POISON_MEMORY_REGION(at + bytes, room - bytes);
  m.live[at] = bytes;
  m.used += room;
  count_allocation();
  *result = at;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  Memory& m = memory();
  const OpenMemory open;
  drain_all();
  std::byte* at = static_cast<std::byte*>(pointer);
  const auto found = m.live.find(at);
  if (found == m.live.end()) return cudaErrorInvalidValue;
  const size_t bytes = found->second, room = padded(bytes);
  ASAN_UNPOISON_MEMORY_REGION(at, room);
  bool intact = true;
  for (size_t i = bytes; i < room; ++i) intact = intact && at[i] == std::byte{kRedPoison};
  memset(at, kPoison, room);
  ASAN_POISON_MEMORY_REGION(at, room);
  m.live.erase(found);
  m.used -= room;
  add_hole(m, at, room);
  return intact ? cudaSuccess : fail_device("device memory was written behind the end of an allocation of " +
                                            std::to_string(bytes) + " bytes");
}

cudaError_t cudaHostAlloc(void** result, size_t bytes, unsigned) {
  Memory& m = memory();
  const Guard guard(machine_lock());
  *result = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*result == MAP_FAILED) return cudaErrorMemoryAllocation;
  m.pinned[static_cast<std::byte*>(*result)] = bytes;
  count_allocation();
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  Memory& m = memory();
  const Guard guard(machine_lock());
  const auto found = m.pinned.find(static_cast<std::byte*>(pointer));
  if (found == m.pinned.end()) return cudaErrorInvalidValue;
  munmap(pointer, found->second);
  m.pinned.erase(found);
  return cudaSuccess;
}
