// The device `cpu`.
#pragma once

#include "kernels/reference/reference.h"

namespace tts {

class Cpu : public Reference {
 public:
  using Reference::Reference;
  static std::string_view kind() { return "cpu"; }
};

}  // namespace tts
