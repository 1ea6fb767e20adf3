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

  void unfold(float* y, const float* x, const float* add, const Neighbours& neighbours, int rows);
  void insert(float* y, const float* x, const Columns& columns, int rows);
  void pool(float* y, const float* x, const float* scores, int C, int rows);
  void add_scaled(float* y, const float* x, const float* scale, int C, int rows);
  void nearest_code(int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows);

  static std::string_view kind() { return "cpu"; }
  static std::vector<std::string_view> levels() { return {"portable"}; }
};

}  // namespace tts
