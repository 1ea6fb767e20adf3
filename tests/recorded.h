// Recorded tensors of the official implementation below tests/goldens (README.md there), by name; and the two
// measures they are compared with.
#pragma once

#include "base/file.h"
#include "engine/safetensors.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace tts {

inline const std::string kGoldens = TTS_SOURCE_DIR "/tests/goldens";

class Recorded {
 public:
  explicit Recorded(const std::string& path);  // of a .safetensors file

  bool has(const std::string& name) const { return tensors_.contains(name); }
  const Shape& shape(const std::string& name) const { return at(name).shape; }
  std::vector<float> floats(const std::string& name) const;
  std::vector<int32_t> integers(const std::string& name) const;
  // A [C,T] tensor as rows in time.
  std::vector<float> time_first(const std::string& name) const;

 private:
  const Tensor& at(const std::string& name) const;
  MappedFile file_;
  std::map<std::string, Tensor> tensors_;
};

// ||got - want|| / ||want||, infinite when the sizes differ.
double relative_error(std::span<const float> got, std::span<const float> want);
// 10 log10( sum want^2 / sum (got - want)^2 ), -infinite when the sizes differ.
double snr_db(std::span<const float> got, std::span<const float> want);

}  // namespace tts
