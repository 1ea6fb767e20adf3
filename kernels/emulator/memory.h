// Device and pinned memory of the emulated machine. Device memory is closed (PROT_NONE) while host code runs:
// touching it there ends the program with a report; it is open while queued work is executed.
#pragma once

#include "kernels/emulator/runtime.h"

#include <cstddef>
#include <mutex>
#include <string>

namespace tts::emulator {

// One lock guards the whole machine.
std::recursive_mutex& machine_lock();
using Guard = std::lock_guard<std::recursive_mutex>;

struct OpenMemory {  // nests
  OpenMemory();
  ~OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;
};

bool on_device(const void* memory, size_t bytes);  // inside of one live allocation
bool is_pinned(const void* memory);
void count_allocation();
void drain_all();  // all queued work
cudaError_t fail_device(const std::string& report);  // the sticky error

}  // namespace tts::emulator
