// Memory of the devices that compute on the host: zeroed, aligned for every vector width, counted, released
// with the device.
#pragma once

#include "base/types.h"

#include <cstdint>
#include <string>
#include <unordered_map>

namespace tts {

class HostMemory {
 public:
  HostMemory() = default;
  HostMemory(HostMemory&& other) noexcept = default;
  HostMemory& operator=(HostMemory&&) = delete;
  ~HostMemory();

  void* allocate(int64_t bytes);  // Exit::device when the system has no more
  void release(void* memory);
  int64_t bytes() const { return bytes_; }

 private:
  std::unordered_map<void*, size_t> blocks_;
  int64_t bytes_ = 0;
};

std::string processor_name();  // as the system spells it

}  // namespace tts
