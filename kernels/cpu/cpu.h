// The device `cpu`.
#pragma once

#include "kernels/reference/reference.h"

#include <vector>

namespace tts {

class Cpu : public Reference {
 public:
  explicit Cpu(const DeviceOptions& o) : Reference(o) {
    check(o.cpu_level.empty() || o.cpu_level == "portable", Exit::device, "cpu level {}: expected portable", o.cpu_level);
  }
  static std::string_view kind() { return "cpu"; }
  static std::vector<std::string_view> levels() { return {"portable"}; }
};

}  // namespace tts
